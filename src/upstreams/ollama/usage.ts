import type { ChatResponse } from 'ollama';
import type { TotalUsage } from '../../chat/stream.ts';
import { count } from '../coerce.ts';

const nanosecond = 1e-9;

/** Tokens and durations of an answer's last line. Ollama leaves out what is 0. */
export function readUsage(line: Partial<Record<keyof ChatResponse, unknown>>): TotalUsage {
  const [load, promptEval, evaluation, total] = [
    count(line.load_duration),
    count(line.prompt_eval_duration),
    count(line.eval_duration),
    count(line.total_duration),
  ];
  return {
    usage: { inputTokens: count(line.prompt_eval_count) ?? 0, outputTokens: count(line.eval_count) ?? 0 },
    timings: {
      ...(load !== undefined && { load: load * nanosecond }),
      ...(promptEval !== undefined && { promptEval: promptEval * nanosecond }),
      ...(evaluation !== undefined && { eval: evaluation * nanosecond }),
      ...(total !== undefined && { total: total * nanosecond }),
    },
  };
}
