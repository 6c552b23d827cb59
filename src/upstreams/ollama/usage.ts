import type { ChatResponse } from 'ollama';
import type { TotalUsage } from '../../chat/stream.ts';
import { toCount } from '../coerce.ts';

const nanosecond = 1e-9;

/** Reads the token counts and durations of a response's last line. Ollama leaves out those that are 0. */
export function readUsage(line: Partial<Record<keyof ChatResponse, unknown>>): TotalUsage {
  const [load, promptEval, evaluation, total] = [
    toCount(line.load_duration),
    toCount(line.prompt_eval_duration),
    toCount(line.eval_duration),
    toCount(line.total_duration),
  ];
  return {
    usage: { inputTokens: toCount(line.prompt_eval_count) ?? 0, outputTokens: toCount(line.eval_count) ?? 0 },
    timings: {
      ...(load !== undefined && { load: load * nanosecond }),
      ...(promptEval !== undefined && { promptEval: promptEval * nanosecond }),
      ...(evaluation !== undefined && { eval: evaluation * nanosecond }),
      ...(total !== undefined && { total: total * nanosecond }),
    },
  };
}
