import type { ChatRequest } from '../../../chat/request.ts';
import { DroppedFields } from '../../dropped-fields.ts';
import { readFields } from '../../field-table.ts';
import { defined } from '../../fields.ts';
import { readFoldedBody } from '../body.ts';
import { chatFields } from '../fields.ts';
import { toCommon } from '../generation.ts';
import { readMessages } from './messages.ts';
import { readTools } from './tools.ts';

export interface ParsedChat {
  /** Its messages may be empty: then there is nothing to generate from. */
  readonly request: ChatRequest;
  readonly stream: boolean;
  /** Fields that have no effect. */
  readonly dropped: readonly string[];
  readonly spellings?: ReadonlyMap<string, string> | undefined;
}

/**
 * Reads the body of a chat request.
 *
 * @throws {GatewayError} 400 with `param` for a field of the wrong type or out of range
 * @see https://docs.ollama.com/api/chat
 */
export function readChat(value: unknown): ParsedChat {
  const dropped = new DroppedFields();
  const values = readFields(chatFields, readFoldedBody(value), dropped);
  const request: ChatRequest = {
    kind: 'chat',
    ...toCommon(values, dropped),
    messages: readMessages(values.messages, dropped),
    ...defined({ tools: readTools(values.tools, dropped) }),
  };
  return { request, stream: values.stream ?? true, ...dropped.report() };
}
