import type { Timings, Usage } from '../../chat/event.ts';
import { isObject } from '../../framing/json.ts';
import { toCount, toDuration } from '../coerce.ts';

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
  const prompt = isObject(timings) ? toDuration(timings['prompt_ms'], millisecond) : undefined;
  const predicted = isObject(timings) ? toDuration(timings['predicted_ms'], millisecond) : undefined;
  return {
    ...(prompt !== undefined && { promptEval: prompt }),
    ...(predicted !== undefined && { eval: predicted }),
  };
}

function countIn(object: unknown, field: string): number | undefined {
  return isObject(object) ? toCount(object[field]) : undefined;
}
