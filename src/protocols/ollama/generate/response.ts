import type { GenerateResponse } from 'ollama';
import type { ChatResult } from '../../../chat/accumulator.ts';
import type { AnswerHead } from '../../../chat/protocol.ts';
import type { TotalUsage } from '../../../chat/stream.ts';
import { type CompleteResponse, completeResponse } from '../response.ts';

type Content = Pick<GenerateResponse, 'response' | 'thinking'>;

/**
 * @returns an answer that is not streamed, without `context`: the prompt's token IDs are not known
 * @see https://docs.ollama.com/api/generate
 */
export function toGenerateResponse(
  results: readonly ChatResult[],
  total: TotalUsage,
  head: AnswerHead,
): CompleteResponse<Content> {
  return completeResponse(results, total, head, ({ text, reasoning }) => ({
    response: text,
    ...(reasoning !== '' && { thinking: reasoning }),
  }));
}
