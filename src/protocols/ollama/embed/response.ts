import type { EmbedResponse, EmbeddingsResponse } from 'ollama';
import type { EmbeddingsResult } from '../../../chat/embeddings.ts';
import type { AnswerHead } from '../../../chat/protocol.ts';
import { toCounts } from '../done.ts';

/** Answers `/api/embed`. Unknown counts are left out. @see https://docs.ollama.com/api/embed */
export function toEmbedResponse(
  { vectors, ...total }: EmbeddingsResult,
  head: AnswerHead,
): Pick<EmbedResponse, 'model' | 'embeddings'> & Partial<EmbedResponse> {
  const { total_duration, load_duration, prompt_eval_count } = toCounts(total, head);
  return {
    model: head.model,
    embeddings: [...vectors],
    ...(total_duration !== undefined && { total_duration }),
    ...(load_duration !== undefined && { load_duration }),
    ...(prompt_eval_count !== undefined && { prompt_eval_count }),
  };
}

/** Answers `/api/embeddings`. */
export function toLegacyEmbedding({ vectors: [vector = []] }: EmbeddingsResult): EmbeddingsResponse {
  return { embedding: vector };
}
