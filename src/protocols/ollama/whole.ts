import type { ChatResponse } from 'ollama';
import type { ChatResult } from '../../chat/accumulator.ts';
import type { AnswerHead } from '../../chat/protocol.ts';
import type { TotalUsage } from '../../chat/stream.ts';
import { GatewayError } from '../../errors.ts';
import { doneReason, toCounts } from './done.ts';
import { toLogprobs } from './logprobs.ts';

/** Ollama's own, but that the ollama package turns times into dates, and declares counts that may be left out. */
export type Whole<Content> = Content &
  Partial<Omit<ChatResponse, 'message' | 'created_at'>> & { readonly created_at: string };

/**
 * A whole answer, in the order of fields of Ollama's own.
 *
 * @param content makes what stands where the text does
 */
export function wholeAnswer<Content extends object>(
  [result]: readonly ChatResult[],
  total: TotalUsage,
  head: AnswerHead,
  content: (result: ChatResult) => Content,
): Whole<Content> {
  if (result === undefined) throw new GatewayError('internal_error', 'The answer has no result.');
  return {
    model: head.model,
    created_at: new Date(head.now()).toISOString(),
    ...content(result),
    done: true,
    done_reason: doneReason(result.finishReason),
    ...(result.logprobs.length > 0 && { logprobs: toLogprobs(result.logprobs) }),
    ...toCounts(total, head),
  };
}
