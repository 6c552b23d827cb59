import type { CompletionUsage } from 'openai/resources/completions';
import type { Usage } from '../../chat/event.ts';

/** @see https://platform.openai.com/docs/api-reference/chat/object (usage) */
export function toUsage({ inputTokens, outputTokens, cachedTokens, reasoningTokens }: Usage): CompletionUsage {
  return {
    prompt_tokens: inputTokens,
    completion_tokens: outputTokens,
    total_tokens: inputTokens + outputTokens,
    ...(cachedTokens !== undefined && { prompt_tokens_details: { cached_tokens: cachedTokens } }),
    ...(reasoningTokens !== undefined && { completion_tokens_details: { reasoning_tokens: reasoningTokens } }),
  };
}
