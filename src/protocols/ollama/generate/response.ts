import type { GenerateResponse } from 'ollama';
import type { ChatResult } from '../../../chat/accumulator.ts';
import type { AnswerHead } from '../../../chat/protocol.ts';
import type { TotalUsage } from '../../../chat/stream.ts';
import { type Whole, wholeAnswer } from '../whole.ts';

type Content = Pick<GenerateResponse, 'response' | 'thinking'>;

/**
 * A whole answer in one object, without `context`: the tokens of the prompt are not known.
 *
 * @see https://docs.ollama.com/api/generate
 */
export function toGenerateResponse(
  results: readonly ChatResult[],
  total: TotalUsage,
  head: AnswerHead,
): Whole<Content> {
  return wholeAnswer(results, total, head, ({ text, reasoning }) => ({
    response: text,
    ...(reasoning !== '' && { thinking: reasoning }),
  }));
}
