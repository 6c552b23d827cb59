import type { ChatResponse } from 'ollama';
import type { Total } from '../../chat/stream.ts';

const nanosecond = 1e-9;

/** Tokens and durations of an answer's last line. Ollama leaves out what is 0. */
export function counted(line: Partial<Omit<ChatResponse, 'message'>>): Total {
  const { prompt_eval_count, eval_count, load_duration, prompt_eval_duration, eval_duration, total_duration } = line;
  return {
    usage: { inputTokens: prompt_eval_count ?? 0, outputTokens: eval_count ?? 0 },
    timings: {
      ...(load_duration !== undefined && { load: load_duration * nanosecond }),
      ...(prompt_eval_duration !== undefined && { promptEval: prompt_eval_duration * nanosecond }),
      ...(eval_duration !== undefined && { eval: eval_duration * nanosecond }),
      ...(total_duration !== undefined && { total: total_duration * nanosecond }),
    },
  };
}
