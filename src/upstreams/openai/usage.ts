import type { Timings, Usage } from '../../chat/event.ts';
import { isObject } from '../../framing/json.ts';
import { toCount } from '../coerce.ts';

/** Reads token counts. @see https://platform.openai.com/docs/api-reference/chat/object (usage) */
export function toUsage(usage: Readonly<Record<string, unknown>>): Usage {
  const cached = countIn(usage['prompt_tokens_details'], 'cached_tokens');
  const reasoning = countIn(usage['completion_tokens_details'], 'reasoning_tokens');
  return {
    inputTokens: countIn(usage, 'prompt_tokens') ?? 0,
    outputTokens: countIn(usage, 'completion_tokens') ?? 0,
    ...(cached !== undefined && { cachedTokens: cached }),
    ...(reasoning !== undefined && { reasoningTokens: reasoning }),
  };
}

const millisecond = 1e-3;

/** Reads the durations that llama.cpp's server measures. @see https://github.com/ggml-org/llama.cpp/tree/master/tools/server (timings) */
export function toTimings(timings: unknown): Timings {
  const prompt = countIn(timings, 'prompt_ms');
  const predicted = countIn(timings, 'predicted_ms');
  return {
    ...(prompt !== undefined && { promptEval: prompt * millisecond }),
    ...(predicted !== undefined && { eval: predicted * millisecond }),
  };
}

function countIn(object: unknown, field: string): number | undefined {
  return isObject(object) ? toCount(object[field]) : undefined;
}
