import type { EmbeddingsProtocol } from '../../../chat/protocol.ts';
import { openaiErrors } from '../error.ts';
import { readEmbeddings } from './request.ts';
import { toEmbeddingsList } from './response.ts';

/** `POST /v1/embeddings`. @see https://platform.openai.com/docs/api-reference/embeddings */
export const embeddings: EmbeddingsProtocol = {
  path: '/v1/embeddings',
  errors: openaiErrors,
  // OpenAI's own limit for all texts of a request. LangChain fills its requests up to it.
  maxTokens: 300_000,
  read(body) {
    const { encoding, ...call } = readEmbeddings(body);
    return { ...call, respond: (result, head) => toEmbeddingsList(result, head.model, encoding) };
  },
};
