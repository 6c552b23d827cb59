import type { ChatRequest } from '../../../chat/request.ts';
import { optional } from '../../fields.ts';
import { DroppedFields } from '../../dropped-fields.ts';
import { readFields } from '../body.ts';
import { commonFields, readCommon, readStream } from '../generation.ts';
import { readMessages } from './messages.ts';
import { readTools } from './tools.ts';

export interface Chat {
  /** Without messages there is nothing to generate from. */
  readonly request: ChatRequest;
  readonly stream: boolean;
  readonly dropped: readonly string[];
}

const read: ReadonlySet<string> = new Set([...commonFields, 'messages', 'tools']);

/**
 * Reads the body of a chat request.
 *
 * @throws {GatewayError} 400 with `param` for a field of the wrong type or out of range
 * @see https://docs.ollama.com/api/chat
 */
export function readChat(body: unknown): Chat {
  const fields = readFields(body);
  const ledger = new DroppedFields();
  const request: ChatRequest = {
    kind: 'chat',
    ...readCommon(fields, ledger),
    messages: readMessages(fields['messages'], ledger),
    ...optional('tools', readTools(fields['tools'], ledger)),
  };
  ledger.noteUnread(fields, read);
  return { request, stream: readStream(fields), dropped: ledger.dropped };
}
