import type { ResponseUsage } from 'openai/resources/responses/responses';
import type { Usage } from '../../../chat/event.ts';

/** @see https://platform.openai.com/docs/api-reference/responses/object (usage) */
export function toResponseUsage(usage: Usage): ResponseUsage {
  const { inputTokens, outputTokens, cachedTokens = 0, reasoningTokens = 0 } = usage;
  return {
    input_tokens: inputTokens,
    input_tokens_details: { cached_tokens: cachedTokens, cache_write_tokens: 0 },
    output_tokens: outputTokens,
    output_tokens_details: { reasoning_tokens: reasoningTokens },
    total_tokens: inputTokens + outputTokens,
  };
}
