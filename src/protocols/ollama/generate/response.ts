import type { GenerateResponse } from 'ollama';
import type { ChatResult } from '../../../chat/fold.ts';
import type { AnswerHead } from '../../../chat/protocol.ts';
import type { Total } from '../../../chat/stream.ts';
import { type Whole, wholeAnswer } from '../whole.ts';

type Content = Pick<GenerateResponse, 'response' | 'thinking'>;

/**
 * A whole answer in one object, without `context`: the tokens of the prompt are not known.
 *
 * @see https://docs.ollama.com/api/generate
 */
export function toGenerateResponse(results: readonly ChatResult[], total: Total, head: AnswerHead): Whole<Content> {
  return wholeAnswer(results, total, head, ({ text, reasoning }) => ({
    response: text,
    ...(reasoning !== '' && { thinking: reasoning }),
  }));
}
