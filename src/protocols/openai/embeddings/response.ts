import type { CreateEmbeddingResponse, Embedding } from 'openai/resources/embeddings';
import type { EmbeddingsResult } from '../../../chat/embeddings.ts';

/** The format of vectors: JSON numbers, or the base64 of their bytes, which OpenAI's SDKs request. */
export type VectorEncoding = 'float' | 'base64';

type Base64Embedding = Omit<Embedding, 'embedding'> & { readonly embedding: string };
/** The openai package reads this type too, but does not export it. */
type Base64EmbeddingsList = Omit<CreateEmbeddingResponse, 'data'> & { readonly data: Base64Embedding[] };

/**
 * @param model the name that the client sent
 * @see https://platform.openai.com/docs/api-reference/embeddings/object
 */
export function toEmbeddingsList(
  { vectors, usage: { inputTokens } }: EmbeddingsResult,
  model: string,
  encoding: VectorEncoding,
): CreateEmbeddingResponse | Base64EmbeddingsList {
  const list = { object: 'list' as const, model, usage: { prompt_tokens: inputTokens, total_tokens: inputTokens } };
  switch (encoding) {
    case 'float':
      return { ...list, data: vectors.map((embedding, index) => ({ object: 'embedding', index, embedding })) };
    case 'base64':
      return {
        ...list,
        data: vectors.map((vector, index) => ({ object: 'embedding', index, embedding: toBase64(vector) })),
      };
    default:
      return encoding satisfies never;
  }
}

/** 32-bit floats, Ollama's own precision. Little-endian, like every machine that Ollama is built for. */
function toBase64(vector: readonly number[]): string {
  return Buffer.from(Float32Array.from(vector).buffer).toString('base64');
}
