import type { ChatResponse } from 'ollama';
import type { FinishReason } from '../../chat/event.ts';
import type { AnswerHead } from '../../chat/protocol.ts';
import type { TotalUsage } from '../../chat/stream.ts';

/** Ollama has only two reasons. It shows tool calls in the message alone. */
export function toDoneReason(reason: FinishReason): 'stop' | 'length' {
  return reason === 'length' ? 'length' : 'stop';
}

type Counts = Partial<
  Pick<
    ChatResponse,
    'total_duration' | 'load_duration' | 'prompt_eval_count' | 'prompt_eval_duration' | 'eval_count' | 'eval_duration'
  >
> & { readonly prompt_eval_cached_count?: number };

/**
 * Token counts, and durations in nanoseconds. Left out are those that are unknown, and, as in Ollama, those that are 0, except
 * the count of cached tokens.
 *
 * @param beganAt the time at which the answer began to arrive, on the clock of the head; undefined if not observed
 */
export function toCounts({ usage, timings }: TotalUsage, head: AnswerHead, beganAt?: number): Counts {
  const now = head.now();
  const sinceBeginning = beganAt === undefined ? undefined : (now - beganAt) / 1000;
  const counts: Record<keyof Counts, number | undefined> = {
    total_duration: nanoseconds((now - head.arrivedAt) / 1000),
    load_duration: nanoseconds(timings.load),
    prompt_eval_count: usage.inputTokens,
    prompt_eval_cached_count: usage.cachedTokens,
    prompt_eval_duration: nanoseconds(timings.promptEval),
    eval_count: usage.outputTokens,
    eval_duration: nanoseconds(timings.eval ?? sinceBeginning),
  };
  return Object.fromEntries(
    Object.entries(counts).filter(
      ([name, count]) =>
        count !== undefined && (count > 0 || name === ('prompt_eval_cached_count' satisfies keyof Counts)),
    ),
  );
}

function nanoseconds(seconds: number | undefined): number | undefined {
  return seconds === undefined ? undefined : Math.round(seconds * 1e9);
}
