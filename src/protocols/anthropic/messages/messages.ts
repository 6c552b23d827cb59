import type { JsonObject, Message, ToolMessage } from '../../../chat/request.ts';
import { invalidValue } from '../../../errors.ts';
import { isObject } from '../../../framing/json.ts';
import type { DroppedFields } from '../../dropped-fields.ts';
import { array, object, required, string } from '../../fields.ts';
import { attachmentsOf, textOf } from '../../part.ts';
import { messageOf } from '../../roles.ts';
import { ToolCallReader } from '../../tool-calls.ts';
import { withoutBillingLine } from './billing-line.ts';
import { readContent } from './content.ts';

/**
 * Reads `system` and `messages`. Clients cannot change what is in their history, so nothing in a message is an error but the
 * lack of a role.
 *
 * @throws {GatewayError} 400 with `param`
 * @see https://platform.claude.com/docs/en/api/messages
 */
export function readMessages(body: JsonObject, dropped: DroppedFields): Message[] {
  const items = required(array, body['messages'], 'messages');
  if (items.length === 0) throw invalidValue('messages', 'messages must have at least one message.');
  const calls = new ToolCallReader();
  const messages = items.flatMap((item, index) => readMessage(item, `messages[${index}]`, calls, dropped));
  const system = messageOf('system', readContent(withoutBillingLine(body['system']), 'system', dropped));
  return system.text === '' && system.images === undefined ? messages : [system, ...messages];
}

/** @returns several messages for one that contains results of tools */
function readMessage(item: unknown, path: string, calls: ToolCallReader, dropped: DroppedFields): Message[] {
  const message = required(object, item, path);
  const role = required(string, message['role'], `${path}.role`).toLowerCase();
  const { content } = message;
  const contentPath = `${path}.content`;
  if (role === 'user') return readUser(content, contentPath, calls, dropped);
  return [messageOf(role, readContent(content, contentPath, dropped, role === 'assistant' ? calls : undefined))];
}

/** Reads a user's message: first the results of tools, each as a message of its own, then everything else as one message. */
function readUser(value: unknown, path: string, calls: ToolCallReader, dropped: DroppedFields): Message[] {
  if (!Array.isArray(value)) return [readUserText(value, path, dropped)];
  const results: ToolMessage[] = [];
  // Results leave a gap, so that the others keep their paths.
  const others: unknown[] = value.map((block: unknown, index) => {
    if (!isObject(block) || block['type'] !== 'tool_result') return block;
    results.push(readToolResult(block, `${path}[${index}]`, calls, dropped));
    return null;
  });
  return results.length > 0 && results.length === value.length
    ? results
    : [...results, readUserText(others, path, dropped)];
}

function readUserText(value: unknown, path: string, dropped: DroppedFields): Message {
  return messageOf('user', readContent(value, path, dropped));
}

function readToolResult(fields: JsonObject, path: string, calls: ToolCallReader, dropped: DroppedFields): ToolMessage {
  const callId = typeof fields['tool_use_id'] === 'string' ? fields['tool_use_id'] : '';
  const content = readContent(fields['content'], `${path}.content`, dropped);
  const text = textOf(content);
  return {
    role: 'tool',
    text: fields['is_error'] === true ? asError(text) : text,
    callId,
    name: calls.nameOf(callId),
    ...attachmentsOf(content),
  };
}

/** Marks a failed tool's result in its text: no other dialect has a field for it. */
function asError(text: string): string {
  return /^\W*(tool_use_)?error/i.test(text.slice(0, 40)) ? text : `Error: ${text}`;
}
