import type { ChatResponse } from 'ollama';
import type { ChatResult } from '../../chat/accumulator.ts';
import type { AnswerHead } from '../../chat/protocol.ts';
import type { TotalUsage } from '../../chat/stream.ts';
import { GatewayError } from '../../errors.ts';
import { toCounts, toDoneReason } from './done.ts';
import { toLogprobs } from './logprobs.ts';

/** Ollama's own type, but the ollama package converts times to dates and declares counts that may be absent. */
export type CompleteResponse<Content> = Content &
  Partial<Omit<ChatResponse, 'message' | 'created_at'>> & { readonly created_at: string };

/**
 * Makes an answer that is not streamed, with its fields in Ollama's order.
 *
 * @param toContent makes the field that holds the text
 */
export function completeResponse<Content extends object>(
  [result]: readonly ChatResult[],
  total: TotalUsage,
  head: AnswerHead,
  toContent: (result: ChatResult) => Content,
): CompleteResponse<Content> {
  if (result === undefined) throw new GatewayError('internal_error', 'The answer has no result.');
  return {
    model: head.model,
    created_at: new Date(head.now()).toISOString(),
    ...toContent(result),
    done: true,
    done_reason: toDoneReason(result.finishReason),
    ...(result.logprobs.length > 0 && { logprobs: toLogprobs(result.logprobs) }),
    ...toCounts(total, head),
  };
}
