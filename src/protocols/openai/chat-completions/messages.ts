import type { AssistantMessage, JsonObject, Message } from '../../../chat/request.ts';
import { invalidValue } from '../../../errors.ts';
import { array, object, oneOf, readArguments, required, string } from '../../fields.ts';
import type { DroppedFields } from '../../dropped-fields.ts';
import { readContent } from './content.ts';

const roles = ['system', 'developer', 'user', 'assistant', 'tool'] as const;

/**
 * Reads `messages`. Each message stays one message, whatever its content consists of.
 *
 * @see https://platform.openai.com/docs/api-reference/chat/create (messages)
 */
export function readMessages(value: unknown, ledger: DroppedFields): Message[] {
  const messages = required(array(value, 'messages'), 'messages');
  if (messages.length === 0) throw invalidValue('messages', 'messages must have at least one message.');
  /** Names of the calls made so far: a tool's result names its call, Ollama wants the tool. */
  const toolNames = new Map<string, string>();
  return messages.map((item, index) => {
    const path = `messages[${index}]`;
    const message = required(object(item, path), path);
    const role = required(oneOf(message['role'], `${path}.role`, roles), `${path}.role`);
    const content = readContent(message['content'], `${path}.content`, ledger);
    if (role !== 'user' && content.images.length > 0) {
      throw invalidValue(`${path}.content`, `Only user messages can contain images, but ${path} has the role ${role}.`);
    }
    // A tool's name is what its result is about; of anybody else Ollama knows none.
    if (role !== 'tool') ledger.note('messages.name', message['name']);
    switch (role) {
      case 'system':
      case 'developer':
        return { role: 'system', text: content.text };
      case 'user':
        return { role, ...content };
      case 'assistant': {
        const toolCalls = readToolCalls(message['tool_calls'], `${path}.tool_calls`);
        for (const { id, name } of toolCalls) toolNames.set(id, name);
        for (const field of ['function_call', 'audio']) ledger.note(`messages.${field}`, message[field]);
        const refusal = string(message['refusal'], `${path}.refusal`) ?? '';
        return { role, text: content.text || refusal, reasoning: readReasoning(message, path), toolCalls };
      }
      case 'tool': {
        const callId = string(message['tool_call_id'], `${path}.tool_call_id`) ?? '';
        return {
          role,
          text: content.text,
          callId,
          name: string(message['name'], `${path}.name`) ?? toolNames.get(callId),
        };
      }
      default:
        return role satisfies never;
    }
  });
}

function readReasoning(message: JsonObject, path: string): string {
  return (
    string(message['reasoning_content'], `${path}.reasoning_content`) ??
    string(message['reasoning'], `${path}.reasoning`) ??
    ''
  );
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
