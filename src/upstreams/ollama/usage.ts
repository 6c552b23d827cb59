import type { ChatResponse } from 'ollama';
import type { TotalUsage } from '../../chat/stream.ts';
import { toCount, toDuration } from '../coerce.ts';

const nanosecond = 1e-9;

/** Reads the token counts and durations of a response's last line. Ollama leaves out those that are 0. */
export function readUsage(line: Partial<Record<keyof ChatResponse, unknown>>): TotalUsage {
  const [load, promptEval, evaluation, total] = [
    toDuration(line.load_duration, nanosecond),
    toDuration(line.prompt_eval_duration, nanosecond),
    toDuration(line.eval_duration, nanosecond),
    toDuration(line.total_duration, nanosecond),
  ];
  return {
    usage: { inputTokens: toCount(line.prompt_eval_count) ?? 0, outputTokens: toCount(line.eval_count) ?? 0 },
    timings: {
      ...(load !== undefined && { load }),
      ...(promptEval !== undefined && { promptEval }),
      ...(evaluation !== undefined && { eval: evaluation }),
      ...(total !== undefined && { total }),
    },
  };
}
