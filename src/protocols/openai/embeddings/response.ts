import type { CreateEmbeddingResponse, Embedding } from 'openai/resources/embeddings';
import type { EmbeddingsResult } from '../../../chat/embeddings.ts';

/** How a client wants its vectors: as JSON numbers, or as the base64 of their bytes, which OpenAI's SDKs ask for. */
export type Encoding = 'float' | 'base64';

type Base64Embedding = Omit<Embedding, 'embedding'> & { readonly embedding: string };
/** What the `openai` package reads too, but does not export. */
type Base64EmbeddingsList = Omit<CreateEmbeddingResponse, 'data'> & { readonly data: Base64Embedding[] };

/** @param model as the client named it @see https://platform.openai.com/docs/api-reference/embeddings/object */
export function toEmbeddingsList(
  { vectors, usage: { inputTokens } }: EmbeddingsResult,
  model: string,
  encoding: Encoding,
): CreateEmbeddingResponse | Base64EmbeddingsList {
  const rest = { object: 'list' as const, model, usage: { prompt_tokens: inputTokens, total_tokens: inputTokens } };
  switch (encoding) {
    case 'float':
      return { ...rest, data: vectors.map((embedding, index) => ({ object: 'embedding', index, embedding })) };
    case 'base64':
      return {
        ...rest,
        data: vectors.map((vector, index) => ({ object: 'embedding', index, embedding: toBase64(vector) })),
      };
    default:
      return encoding satisfies never;
  }
}

/** 32-bit floats, the precision Ollama computes in. Little-endian, as every machine is that Ollama is built for. */
function toBase64(vector: readonly number[]): string {
  return Buffer.from(Float32Array.from(vector).buffer).toString('base64');
}
