import type { AssistantMessage, Message } from '../../../chat/request.ts';
import { invalidValue } from '../../../errors.ts';
import { array, object, oneOf, readArguments, required, string } from '../../fields.ts';
import type { DroppedFields } from '../../dropped-fields.ts';
import { readImages } from '../images.ts';

const roles = ['system', 'developer', 'user', 'assistant', 'tool'] as const;

/**
 * Reads `messages`, none where there are none.
 *
 * @see https://docs.ollama.com/api/chat (messages)
 */
export function readMessages(value: unknown, ledger: DroppedFields): Message[] {
  const messages = array(value, 'messages') ?? [];
  return messages.map((item, index) => readMessage(item, `messages[${index}]`, ledger));
}

function readMessage(item: unknown, path: string, ledger: DroppedFields): Message {
  const message = required(object(item, path), path);
  const role = required(oneOf(message['role'], `${path}.role`, roles), `${path}.role`);
  const text = string(message['content'], `${path}.content`) ?? '';
  const images = readImages(message['images'], `${path}.images`);
  if (role !== 'user' && images.length > 0) {
    throw invalidValue(`${path}.images`, `Only user messages can contain images, but ${path} has the role ${role}.`);
  }
  if (role !== 'tool') ledger.note('messages.name', message['name']);
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
        toolCalls: readToolCalls(message['tool_calls'], `${path}.tool_calls`),
      };
    case 'tool':
      return {
        role,
        text,
        callId: string(message['tool_call_id'], `${path}.tool_call_id`) ?? '',
        // Older clients say `name`.
        name: string(message['tool_name'], `${path}.tool_name`) || string(message['name'], `${path}.name`) || undefined,
      };
    default:
      return role satisfies never;
  }
}

function readToolCalls(value: unknown, path: string): AssistantMessage['toolCalls'] {
  return (array(value, path) ?? []).map((item, index) => {
    const callPath = `${path}[${index}]`;
    const call = required(object(item, callPath), callPath);
    const called = required(object(call['function'], `${callPath}.function`), `${callPath}.function`);
    return {
      id: string(call['id'], `${callPath}.id`) ?? '',
      name: required(string(called['name'], `${callPath}.function.name`), `${callPath}.function.name`),
      arguments: readArguments(called['arguments'], `${callPath}.function.arguments`),
    };
  });
}
