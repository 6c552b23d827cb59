import type { Timings, Usage } from '../../chat/event.ts';
import { isObject } from '../../framing/json.ts';
import { count } from '../coerce.ts';

/** @see https://platform.openai.com/docs/api-reference/chat/object (usage) */
export function toUsage(usage: Readonly<Record<string, unknown>>): Usage {
  const cached = counted(usage['prompt_tokens_details'], 'cached_tokens');
  const reasoning = counted(usage['completion_tokens_details'], 'reasoning_tokens');
  return {
    inputTokens: counted(usage, 'prompt_tokens') ?? 0,
    outputTokens: counted(usage, 'completion_tokens') ?? 0,
    ...(cached !== undefined && { cachedTokens: cached }),
    ...(reasoning !== undefined && { reasoningTokens: reasoning }),
  };
}

const millisecond = 1e-3;

/** What llama.cpp's server measures. @see https://github.com/ggml-org/llama.cpp/tree/master/tools/server (timings) */
export function toTimings(timings: unknown): Timings {
  const prompt = counted(timings, 'prompt_ms');
  const predicted = counted(timings, 'predicted_ms');
  return {
    ...(prompt !== undefined && { promptEval: prompt * millisecond }),
    ...(predicted !== undefined && { eval: predicted * millisecond }),
  };
}

function counted(holder: unknown, field: string): number | undefined {
  return isObject(holder) ? count(holder[field]) : undefined;
}
