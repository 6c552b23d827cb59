import type { EmbedResponse, EmbeddingsResponse } from 'ollama';
import type { EmbeddingsProtocol } from '../../../chat/protocol.ts';
import { ollamaErrors } from '../error.ts';
import { readEmbed, readLegacyEmbeddings } from './request.ts';
import { toEmbedResponse, toLegacyEmbedding } from './response.ts';

/** `POST /api/embed`. @see https://docs.ollama.com/api/embed */
export const embed: EmbeddingsProtocol = {
  path: '/api/embed',
  errors: ollamaErrors,
  read(body) {
    const call = readEmbed(body);
    const { model, input } = call.request;
    const empty: Pick<EmbedResponse, 'model' | 'embeddings'> = { model, embeddings: [] };
    return { ...call, ...(input.length === 0 && { ready: empty }), respond: toEmbedResponse };
  },
};

/** `POST /api/embeddings`, which older clients use; it takes one text. @see https://docs.ollama.com/api */
export const legacyEmbeddings: EmbeddingsProtocol = {
  path: '/api/embeddings',
  errors: ollamaErrors,
  read(body) {
    const call = readLegacyEmbeddings(body);
    const empty: EmbeddingsResponse = { embedding: [] };
    return { ...call, ...(call.request.input.length === 0 && { ready: empty }), respond: toLegacyEmbedding };
  },
};
