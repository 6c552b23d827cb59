import type { AnswerHead } from '../../../chat/protocol.ts';
import type { Encoder } from '../../../chat/stream.ts';
import { LineEncoder } from '../lines.ts';

/** Events -> lines with a message each. */
export function chatEncoder(head: AnswerHead): Encoder {
  return new LineEncoder(head, { before: '"message":{"role":"assistant","content":', after: '}' });
}
