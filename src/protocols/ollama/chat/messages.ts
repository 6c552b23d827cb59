import type { JsonObject, Message } from '../../../chat/request.ts';
import { textIn } from '../../../framing/json.ts';
import type { DroppedFields } from '../../dropped-fields.ts';
import { array, object, required, string } from '../../fields.ts';
import { readParts } from '../../parts.ts';
import { messageOf } from '../../roles.ts';
import { ToolCallReader } from '../../tool-calls.ts';
import { readMedia } from '../images.ts';

/**
 * Reads `messages`. Clients cannot change what is in their history, so nothing in a message is an error but the lack of a
 * role.
 *
 * @returns an empty array when the field is absent
 * @throws {GatewayError} 400 with `param` for an item that is no message
 * @see https://docs.ollama.com/api/chat (messages)
 */
export function readMessages(value: unknown, dropped: DroppedFields): Message[] {
  const items = array(value, 'messages') ?? [];
  const calls = new ToolCallReader();
  return items.map((item, index) => readMessage(item, `messages[${index}]`, calls, dropped));
}

function readMessage(item: unknown, path: string, calls: ToolCallReader, dropped: DroppedFields): Message {
  const message = required(object, item, path);
  const role = required(string, message['role'], `${path}.role`).toLowerCase();
  const content = readParts(message['content'], `${path}.content`, {
    prefix: 'messages.content.',
    dropped,
    calls: role === 'assistant' ? calls : undefined,
  });
  const { images, audio } = readMedia(message['images'], `${path}.images`);
  content.images.push(...images);
  content.audio.push(...audio);
  const read = messageOf(role, content);
  switch (read.role) {
    case 'assistant':
      return {
        ...read,
        reasoning: textIn(message['thinking']) || read.reasoning,
        toolCalls: [...read.toolCalls, ...calls.readCalls(message['tool_calls'])],
      };
    case 'tool':
      return { ...read, callId: textIn(message['tool_call_id']), name: readToolName(message) };
    case 'system':
    case 'user':
    case 'other':
      return read;
    default:
      return read satisfies never;
  }
}

/** Older clients send the tool's name as `name`. */
function readToolName(message: JsonObject): string | undefined {
  return textIn(message['tool_name']) || textIn(message['name']) || undefined;
}
