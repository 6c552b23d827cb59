import type { ResponseUsage } from 'openai/resources/responses/responses';
import type { Usage } from '../../../chat/event.ts';

/** OpenAI always sends the details of the input. A 0 where nothing is known would say that the cache was missed. */
type WireUsage = Omit<ResponseUsage, 'input_tokens_details'> & Partial<Pick<ResponseUsage, 'input_tokens_details'>>;

/** @see https://platform.openai.com/docs/api-reference/responses/object (usage) */
export function toResponseUsage(usage: Usage): WireUsage {
  const { inputTokens, outputTokens, cachedTokens, reasoningTokens = 0 } = usage;
  return {
    input_tokens: inputTokens,
    ...(cachedTokens !== undefined && {
      input_tokens_details: { cached_tokens: cachedTokens, cache_write_tokens: 0 },
    }),
    output_tokens: outputTokens,
    output_tokens_details: { reasoning_tokens: reasoningTokens },
    total_tokens: inputTokens + outputTokens,
  };
}
