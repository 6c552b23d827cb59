import type { Timings, Usage } from '../../chat/event.ts';
import { isObject } from '../../framing/json.ts';

/** @see https://platform.openai.com/docs/api-reference/chat/object (usage) */
export function toUsage(usage: Readonly<Record<string, unknown>>): Usage {
  const cached = count(usage['prompt_tokens_details'], 'cached_tokens');
  const reasoning = count(usage['completion_tokens_details'], 'reasoning_tokens');
  return {
    inputTokens: count(usage, 'prompt_tokens') ?? 0,
    outputTokens: count(usage, 'completion_tokens') ?? 0,
    ...(cached !== undefined && { cachedTokens: cached }),
    ...(reasoning !== undefined && { reasoningTokens: reasoning }),
  };
}

const millisecond = 1e-3;

/** What llama.cpp's server measures. @see https://github.com/ggml-org/llama.cpp/tree/master/tools/server (timings) */
export function toTimings(timings: unknown): Timings {
  const prompt = count(timings, 'prompt_ms');
  const predicted = count(timings, 'predicted_ms');
  return {
    ...(prompt !== undefined && { promptEval: prompt * millisecond }),
    ...(predicted !== undefined && { eval: predicted * millisecond }),
  };
}

function count(holder: unknown, field: string): number | undefined {
  const value = isObject(holder) ? holder[field] : undefined;
  return typeof value === 'number' && value >= 0 ? value : undefined;
}
