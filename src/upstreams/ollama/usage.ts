import type { ChatResponse } from 'ollama';
import type { TotalUsage } from '../../chat/stream.ts';
import { toCount, toDuration } from '../coerce.ts';

const nanosecond = 1e-9;

/** The ollama package does not declare the tokens that were in the prompt cache, which Ollama reports since 0.34. */
type Counts = Partial<Record<keyof ChatResponse | 'prompt_eval_cached_count', unknown>>;

/** Reads the token counts and durations of a response's last line. Ollama leaves out those that are 0. */
export function readUsage(line: Counts): TotalUsage {
  const [load, promptEval, evaluation, total] = [
    toDuration(line.load_duration, nanosecond),
    toDuration(line.prompt_eval_duration, nanosecond),
    toDuration(line.eval_duration, nanosecond),
    toDuration(line.total_duration, nanosecond),
  ];
  const inputTokens = toCount(line.prompt_eval_count) ?? 0;
  const cached = toCount(line.prompt_eval_cached_count);
  return {
    usage: {
      inputTokens,
      outputTokens: toCount(line.eval_count) ?? 0,
      ...(cached !== undefined && { cachedTokens: Math.min(cached, inputTokens) }),
    },
    timings: {
      ...(load !== undefined && { load }),
      ...(promptEval !== undefined && { promptEval }),
      ...(evaluation !== undefined && { eval: evaluation }),
      ...(total !== undefined && { total }),
    },
  };
}
