import type { AssistantMessage, JsonObject, Message } from '../../../chat/request.ts';
import { invalidValue } from '../../../errors.ts';
import { isObject, textIn } from '../../../framing/json.ts';
import type { DroppedFields } from '../../dropped-fields.ts';
import { array, object, required, string } from '../../fields.ts';
import { readParts } from '../../parts.ts';
import { messageOf } from '../../roles.ts';
import { ToolCallReader } from '../../tool-calls.ts';

/** The beginning of the names of dropped parts. */
const prefix = 'messages.content.';

/**
 * Reads `messages`. Each message stays one message, however many parts its content has. Clients cannot change what is in
 * their history, so nothing in a message is an error but the lack of a role.
 *
 * @throws {GatewayError} 400 with `param` for an empty array, and for an item that is no message
 * @see https://platform.openai.com/docs/api-reference/chat/create (messages)
 */
export function readMessages(value: unknown, dropped: DroppedFields): Message[] {
  const items = required(array, value, 'messages');
  if (items.length === 0) throw invalidValue('messages', 'messages must have at least one message.');
  const calls = new ToolCallReader();
  return items.map((item, index) => readMessage(item, `messages[${index}]`, calls, dropped));
}

function readMessage(item: unknown, path: string, calls: ToolCallReader, dropped: DroppedFields): Message {
  const message = required(object, item, path);
  const role = required(string, message['role'], `${path}.role`).toLowerCase();
  const context = { prefix, dropped, calls: role === 'assistant' ? calls : undefined };
  const content = readParts(message['content'], `${path}.content`, context);
  const read = messageOf(role, content);
  switch (read.role) {
    case 'assistant':
      return readAssistant(message, read, calls);
    case 'tool': {
      const callId = textIn(message['tool_call_id']);
      return { ...read, callId, name: textIn(message['name']) || calls.nameOf(callId) };
    }
    case 'system':
    case 'user':
    case 'other':
      return read;
    default:
      return read satisfies never;
  }
}

function readAssistant(message: JsonObject, read: AssistantMessage, calls: ToolCallReader): AssistantMessage {
  const former = message['function_call'];
  return {
    ...read,
    text: read.text || textIn(message['refusal']),
    reasoning: readReasoning(message) || read.reasoning,
    toolCalls: [
      ...read.toolCalls,
      ...calls.readCalls(message['tool_calls']),
      ...(isObject(former) ? calls.readCalls(former) : []),
    ],
  };
}

/** Reads the thinking that an earlier answer contained, under either of the names that it is sent by. */
function readReasoning(message: JsonObject): string {
  return textIn(message['reasoning_content']) || textIn(message['reasoning']);
}
