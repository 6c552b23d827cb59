import type { JsonObject, Message } from '../../../chat/request.ts';
import { invalidValue } from '../../../errors.ts';
import type { DroppedFields } from '../../dropped-fields.ts';
import { array, object, oneOf, required, string } from '../../fields.ts';
import { ToolCallReader } from '../../tool-calls.ts';
import { readImages } from '../images.ts';

const roles = ['system', 'developer', 'user', 'assistant', 'tool'] as const;

/**
 * Reads `messages`.
 *
 * @returns an empty array when the field is absent
 * @throws {GatewayError} 400 with `param` for a message that cannot be read
 * @see https://docs.ollama.com/api/chat (messages)
 */
export function readMessages(value: unknown, dropped: DroppedFields): Message[] {
  const items = array(value, 'messages') ?? [];
  const calls = new ToolCallReader();
  return items.map((item, index) => readMessage(item, `messages[${index}]`, calls, dropped));
}

function readMessage(item: unknown, path: string, calls: ToolCallReader, dropped: DroppedFields): Message {
  const message = required(object, item, path);
  const role = required(oneOf, message['role'], `${path}.role`, roles);
  const text = string(message['content'], `${path}.content`) ?? '';
  const images = readImages(message['images'], `${path}.images`);
  if (role !== 'user' && images.length > 0) {
    throw invalidValue(`${path}.images`, `Only user messages can contain images, but ${path} has the role ${role}.`);
  }
  if (role !== 'tool') dropped.add('messages.name', message['name']);
  switch (role) {
    case 'system':
    case 'developer':
      return { role: 'system', text };
    case 'user':
      return { role, text, images };
    case 'assistant':
      return {
        role,
        text,
        reasoning: string(message['thinking'], `${path}.thinking`) ?? '',
        toolCalls: calls.readCalls(message['tool_calls'], `${path}.tool_calls`),
      };
    case 'tool': {
      const callId = string(message['tool_call_id'], `${path}.tool_call_id`) ?? '';
      return { role, text, callId, name: readToolName(message, path) };
    }
    default:
      return role satisfies never;
  }
}

/** Older clients send the tool's name as `name`. */
function readToolName(message: JsonObject, path: string): string | undefined {
  return string(message['tool_name'], `${path}.tool_name`) || string(message['name'], `${path}.name`) || undefined;
}
