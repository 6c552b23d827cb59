import { messagesFields } from '../../src/protocols/anthropic/messages/fields.ts';
import type { FieldTable } from '../../src/protocols/field-table.ts';
import { batchEmbedContentsFields, embedContentFields } from '../../src/protocols/google/embed-content/fields.ts';
import { generateContentFields } from '../../src/protocols/google/generate-content/fields.ts';
import { chatFields, embedFields, generateFields, legacyEmbeddingsFields } from '../../src/protocols/ollama/fields.ts';
import { chatCompletionFields } from '../../src/protocols/openai/chat-completions/fields.ts';
import { textCompletionFields } from '../../src/protocols/openai/completions/fields.ts';
import { embeddingsFields } from '../../src/protocols/openai/embeddings/fields.ts';
import { responseFields } from '../../src/protocols/openai/responses/fields.ts';

/** The table of fields of every endpoint, by its path. */
export const tables: Readonly<Record<string, FieldTable>> = {
  '/v1/chat/completions': chatCompletionFields,
  '/v1/completions': textCompletionFields,
  '/v1/responses': responseFields,
  '/v1/embeddings': embeddingsFields,
  '/v1/messages': messagesFields,
  '/v1beta/generateContent': generateContentFields,
  '/v1beta/embedContent': embedContentFields,
  '/v1beta/batchEmbedContents': batchEmbedContentsFields,
  '/api/chat': chatFields,
  '/api/generate': generateFields,
  '/api/embed': embedFields,
  '/api/embeddings': legacyEmbeddingsFields,
};
