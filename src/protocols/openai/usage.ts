import type { CompletionUsage } from 'openai/resources/completions';
import type { Usage } from '../../chat/event.ts';

export function toUsage({ inputTokens, outputTokens }: Usage): CompletionUsage {
  return { prompt_tokens: inputTokens, completion_tokens: outputTokens, total_tokens: inputTokens + outputTokens };
}
