import type { ChatRequest } from '../../../chat/request.ts';
import { DroppedFields } from '../../dropped-fields.ts';
import { defined } from '../../fields.ts';
import { readFoldedBody } from '../body.ts';
import { commonFields, readCommon, readStream } from '../generation.ts';
import { readMessages } from './messages.ts';
import { readTools } from './tools.ts';

export interface ParsedChat {
  /** Its messages may be empty: then there is nothing to generate from. */
  readonly request: ChatRequest;
  readonly stream: boolean;
  /** Fields that have no effect. */
  readonly dropped: readonly string[];
}

const knownFields: ReadonlySet<string> = new Set([...commonFields, 'messages', 'tools']);

/**
 * Reads the body of a chat request.
 *
 * @throws {GatewayError} 400 with `param` for a field of the wrong type or out of range
 * @see https://docs.ollama.com/api/chat
 */
export function readChat(value: unknown): ParsedChat {
  const body = readFoldedBody(value);
  const dropped = new DroppedFields();
  const request: ChatRequest = {
    kind: 'chat',
    ...readCommon(body, dropped),
    messages: readMessages(body['messages'], dropped),
    ...defined({ tools: readTools(body['tools'], dropped) }),
  };
  dropped.addUnknown(body, knownFields);
  return { request, stream: readStream(body), dropped: [...dropped.names] };
}
