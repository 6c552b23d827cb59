import type { AssistantMessage, Image, JsonObject, Message, ToolMessage } from '../../../chat/request.ts';
import { invalidValue } from '../../../errors.ts';
import type { DroppedFields } from '../../dropped-fields.ts';
import { array, boolean, object, oneOf, required, string } from '../../fields.ts';
import { ToolCallReader } from '../../tool-calls.ts';
import { type Block, blockPrefix, readBlocks, readContent } from './content.ts';
import { dropUnknown } from './unknown-fields.ts';

/**
 * Reads `system` and `messages`.
 *
 * @throws {GatewayError} 400 with `param`
 * @see https://platform.claude.com/docs/en/api/messages
 */
export function readMessages(body: JsonObject, dropped: DroppedFields): Message[] {
  const items = required(array, body['messages'], 'messages');
  if (items.length === 0) throw invalidValue('messages', 'messages must have at least one message.');
  const calls = new ToolCallReader();
  const messages = items.flatMap((item, index) => readMessage(item, `messages[${index}]`, calls, dropped));
  const system = body['system'] == null ? '' : readText(readBlocks(body['system'], 'system'), 'system', dropped);
  return system === '' ? messages : [{ role: 'system', text: system }, ...messages];
}

/** @returns several messages for one that contains results of tools */
function readMessage(item: unknown, path: string, calls: ToolCallReader, dropped: DroppedFields): Message[] {
  const message = required(object, item, path);
  const role = required(oneOf, message['role'], `${path}.role`, ['user', 'assistant', 'system']);
  dropUnknown(dropped, 'messages.', message, ['role', 'content']);
  const blocks = readBlocks(message['content'], `${path}.content`);
  switch (role) {
    case 'user':
      return readUser(blocks, calls, dropped);
    case 'assistant':
      return [readAssistant(blocks, path, calls, dropped)];
    case 'system':
      return [{ role, text: readText(blocks, path, dropped) }];
    default:
      return role satisfies never;
  }
}

/**
 * Reads a user's message: first the results of tools, each as a message of its own, then everything else as one message.
 * An image in a result goes into the latter, because only users' messages can contain images.
 */
function readUser(blocks: readonly Block[], calls: ToolCallReader, dropped: DroppedFields): Message[] {
  const results = blocks
    .filter(({ type }) => type === 'tool_result')
    .map((block) => readToolResult(block, calls, dropped));
  const others = blocks.filter(({ type }) => type !== 'tool_result');
  const content = readContent(others, dropped);
  const images = [...results.flatMap((result) => result.images), ...content.images];
  const toolMessages = results.map(({ message }) => message);
  if (toolMessages.length > 0 && content.texts.length === 0 && images.length === 0) return toolMessages;
  return [...toolMessages, { role: 'user', text: content.texts.join('\n'), images }];
}

function readToolResult(
  { fields, path }: Block,
  calls: ToolCallReader,
  dropped: DroppedFields,
): { message: ToolMessage; images: readonly Image[] } {
  dropUnknown(dropped, blockPrefix, fields, ['type', 'tool_use_id', 'content', 'is_error']);
  const callId = required(string, fields['tool_use_id'], `${path}.tool_use_id`);
  const isError = boolean(fields['is_error'], `${path}.is_error`) ?? false;
  const blocks = fields['content'] == null ? [] : readBlocks(fields['content'], `${path}.content`);
  const { texts, images } = readContent(blocks, dropped);
  const text = texts.join('\n');
  return {
    message: { role: 'tool', text: isError ? asError(text) : text, callId, name: calls.nameOf(callId) },
    images,
  };
}

/** Marks a failed tool's result in its text: no other dialect has a field for it. */
function asError(text: string): string {
  return /^\W*(tool_use_)?error/i.test(text.slice(0, 40)) ? text : `Error: ${text}`;
}

function readAssistant(
  blocks: readonly Block[],
  path: string,
  calls: ToolCallReader,
  dropped: DroppedFields,
): AssistantMessage {
  const thoughts: string[] = [];
  const toolCalls: AssistantMessage['toolCalls'][number][] = [];
  const others: Block[] = [];
  for (const block of blocks) {
    if (block.type === 'thinking') {
      thoughts.push(readThinkingBlock(block, dropped));
    } else if (block.type === 'tool_use') {
      const call = readToolUseBlock(block, calls, dropped);
      calls.add(call);
      toolCalls.push(call);
    } else {
      others.push(block);
    }
  }
  return { role: 'assistant', text: readText(others, path, dropped), reasoning: thoughts.join('\n'), toolCalls };
}

function readThinkingBlock({ fields, path }: Block, dropped: DroppedFields): string {
  dropUnknown(dropped, blockPrefix, fields, ['type', 'thinking', 'signature']);
  return required(string, fields['thinking'], `${path}.thinking`);
}

function readToolUseBlock(
  { fields, path }: Block,
  calls: ToolCallReader,
  dropped: DroppedFields,
): AssistantMessage['toolCalls'][number] {
  dropUnknown(dropped, blockPrefix, fields, ['type', 'id', 'name', 'input', 'caller']);
  return {
    id: required(string, fields['id'], `${path}.id`),
    name: required(string, fields['name'], `${path}.name`),
    arguments: calls.readArguments(fields['input'], `${path}.input`),
  };
}

/** Reads a content that must not contain images. */
function readText(blocks: readonly Block[], path: string, dropped: DroppedFields): string {
  const { texts, images } = readContent(blocks, dropped);
  if (images.length > 0) throw invalidValue(path, `Only user messages can contain images, and ${path} is not one.`);
  return texts.join('\n');
}
