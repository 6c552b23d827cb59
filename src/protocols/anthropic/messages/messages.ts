import type { AssistantMessage, Image, JsonObject, Message, ToolMessage } from '../../../chat/request.ts';
import { invalidValue } from '../../../errors.ts';
import { array, boolean, object, oneOf, readArguments, required } from '../../fields.ts';
import type { DroppedFields } from '../../dropped-fields.ts';
import { type Block, blocksOf, prefix, readContent, textIn } from './content.ts';
import { noteUnread } from './unread.ts';

/** Names of the calls made so far: a tool's result names its call, Ollama wants the tool. */
type ToolNames = Map<string, string>;

/**
 * Reads `system` and `messages`.
 *
 * @throws {GatewayError} 400 with `param`
 * @see https://platform.claude.com/docs/en/api/messages
 */
export function readMessages(body: JsonObject, ledger: DroppedFields): Message[] {
  const messages = required(array(body['messages'], 'messages'), 'messages');
  if (messages.length === 0) throw invalidValue('messages', 'messages must have at least one message.');
  const toolNames: ToolNames = new Map();
  const turns = messages.flatMap((item, index) => readTurn(item, `messages[${index}]`, toolNames, ledger));
  const system = body['system'] == null ? '' : readText(blocksOf(body['system'], 'system'), 'system', ledger);
  return system === '' ? turns : [{ role: 'system', text: system }, ...turns];
}

function readTurn(item: unknown, path: string, toolNames: ToolNames, ledger: DroppedFields): Message[] {
  const message = required(object(item, path), path);
  const roles = ['user', 'assistant', 'system'] as const;
  const role = required(oneOf(message['role'], `${path}.role`, roles), `${path}.role`);
  noteUnread(ledger, 'messages.', message, ['role', 'content']);
  const blocks = blocksOf(message['content'], `${path}.content`);
  switch (role) {
    case 'user':
      return readUser(blocks, toolNames, ledger);
    case 'assistant':
      return [readAssistant(blocks, path, toolNames, ledger)];
    case 'system':
      return [{ role, text: readText(blocks, path, ledger) }];
    default:
      return role satisfies never;
  }
}

/**
 * Results of tools come first, each a message of its own, then the rest as one message. An image that a tool returned
 * goes with the rest: only users' messages hold images.
 */
function readUser(blocks: readonly Block[], toolNames: ToolNames, ledger: DroppedFields): Message[] {
  const results = blocks
    .filter(({ type }) => type === 'tool_result')
    .map((block) => readToolResult(block, toolNames, ledger));
  const rest = blocks.filter(({ type }) => type !== 'tool_result');
  const { texts, images: own } = readContent(rest, ledger);
  const images = [...results.flatMap((result) => result.images), ...own];
  const told = results.map(({ message }) => message);
  if (told.length > 0 && texts.length === 0 && images.length === 0) return told;
  return [...told, { role: 'user', text: texts.join('\n'), images }];
}

function readToolResult(
  { fields, path }: Block,
  toolNames: ToolNames,
  ledger: DroppedFields,
): { message: ToolMessage; images: readonly Image[] } {
  noteUnread(ledger, prefix, fields, ['type', 'tool_use_id', 'content', 'is_error']);
  const callId = textIn(fields, 'tool_use_id', path);
  const failed = boolean(fields['is_error'], `${path}.is_error`) ?? false;
  const content = fields['content'] == null ? [] : blocksOf(fields['content'], `${path}.content`);
  const { texts, images } = readContent(content, ledger);
  const text = texts.join('\n');
  return {
    message: { role: 'tool', text: failed ? asError(text) : text, callId, name: toolNames.get(callId) },
    images,
  };
}

/** No other dialect has a mark for a tool that failed, so its text says it. */
function asError(text: string): string {
  return /^\W*(tool_use_)?error/i.test(text.slice(0, 40)) ? text : `Error: ${text}`;
}

function readAssistant(
  blocks: readonly Block[],
  path: string,
  toolNames: ToolNames,
  ledger: DroppedFields,
): AssistantMessage {
  const thoughts: string[] = [];
  const toolCalls: AssistantMessage['toolCalls'][number][] = [];
  const rest = blocks.filter(({ type, fields, path: blockPath }) => {
    if (type === 'thinking') {
      noteUnread(ledger, prefix, fields, ['type', 'thinking', 'signature']);
      thoughts.push(textIn(fields, 'thinking', blockPath));
    } else if (type === 'tool_use') {
      noteUnread(ledger, prefix, fields, ['type', 'id', 'name', 'input', 'caller']);
      const [id, name] = [textIn(fields, 'id', blockPath), textIn(fields, 'name', blockPath)];
      toolNames.set(id, name);
      toolCalls.push({ id, name, arguments: readArguments(fields['input'], `${blockPath}.input`) });
    } else {
      return true;
    }
    return false;
  });
  return { role: 'assistant', text: readText(rest, path, ledger), reasoning: thoughts.join('\n'), toolCalls };
}

function readText(blocks: readonly Block[], path: string, ledger: DroppedFields): string {
  const { texts, images } = readContent(blocks, ledger);
  if (images.length > 0) throw invalidValue(path, `Only user messages can contain images, and ${path} is not one.`);
  return texts.join('\n');
}
