import type { EmbeddingsProtocol } from '../../../chat/protocol.ts';
import { googleErrors } from '../error.ts';
import { readBatchEmbedContents, readEmbedContent } from './request.ts';

/** `POST /v1beta/models/{model}:embedContent`. @see https://ai.google.dev/api/embeddings */
export const embedContent: EmbeddingsProtocol = {
  path: '/v1beta/embedContent',
  errors: googleErrors,
  read: (body) => ({
    ...readEmbedContent(body),
    respond: ({ vectors: [values = []] }) => ({ embedding: { values } }),
  }),
};

/** `POST /v1beta/models/{model}:batchEmbedContents`. */
export const batchEmbedContents: EmbeddingsProtocol = {
  path: '/v1beta/batchEmbedContents',
  errors: googleErrors,
  read: (body) => ({
    ...readBatchEmbedContents(body),
    respond: ({ vectors }) => ({ embeddings: vectors.map((values) => ({ values })) }),
  }),
};
