import type { AnswerHead } from '../../../chat/protocol.ts';
import type { Encoder } from '../../../chat/stream.ts';
import { LineEncoder } from '../lines.ts';

/** Events -> lines with a piece of the response each. */
export function generateEncoder(head: AnswerHead): Encoder {
  return new LineEncoder(head, { before: '"response":', after: '' });
}
