import type { EmbeddingsProtocol } from '../../../chat/contract.ts';
import { openaiError } from '../error.ts';
import { readEmbeddings } from './request.ts';
import { toEmbeddingsList } from './response.ts';

/** `POST /v1/embeddings`. @see https://platform.openai.com/docs/api-reference/embeddings */
export const embeddings: EmbeddingsProtocol = {
  path: '/v1/embeddings',
  errorBody: openaiError,
  read(body) {
    const { request, encoding, dropped } = readEmbeddings(body);
    return { request, dropped, respond: (result, model) => toEmbeddingsList(result, model, encoding) };
  },
};
