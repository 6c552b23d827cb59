import type { JsonObject, Message, ToolMessage, UserMessage } from '../../../chat/request.ts';
import { invalidValue } from '../../../errors.ts';
import { isObject } from '../../../framing/json.ts';
import type { DroppedFields } from '../../dropped-fields.ts';
import { array, object, required, string } from '../../fields.ts';
import { type Content, type FindTool, attachmentsOf, textOf } from '../../part.ts';
import { readParts } from '../../parts.ts';
import { messageOf } from '../../roles.ts';
import { ToolCallReader } from '../../tool-calls.ts';
import { withoutBillingLine } from './billing-line.ts';
import { afterCompaction } from './compaction.ts';
import { hasSearches, readSearches } from './search-history.ts';

/**
 * Reads `system` and `messages`. Clients cannot change what is in their history, so nothing in a message is an error but the
 * lack of a role.
 *
 * @param findTool finds the definition of a tool that a message names
 * @throws {GatewayError} 400 with `param`
 * @see https://platform.claude.com/docs/en/api/messages
 */
export function readMessages(body: JsonObject, dropped: DroppedFields, findTool: FindTool): Message[] {
  const items = required(array, body['messages'], 'messages');
  if (items.length === 0) throw invalidValue('messages', 'messages must have at least one message.');
  const reader = new MessageReader(dropped, findTool);
  const { summary, start, first } = afterCompaction(items);
  const messages = items.slice(start).flatMap((item, index) => {
    const isFirst = index === 0 && first !== undefined;
    return isFirst && first.length === 0
      ? []
      : reader.read(item, `messages[${start + index}]`, isFirst ? first : undefined);
  });
  const system = messageOf('system', reader.content(withoutBillingLine(body['system']), 'system'));
  const hasSystem = system.text !== '' || system.images !== undefined;
  return [...(hasSystem ? [system] : []), ...(summary === undefined ? [] : [summaryMessage(summary)]), ...messages];
}

function summaryMessage(summary: string): UserMessage {
  return { role: 'user', text: `Summary of the conversation so far:\n\n${summary}`, images: [] };
}

/** Reads the messages of one request. */
class MessageReader {
  readonly #dropped: DroppedFields;
  readonly #findTool: FindTool;
  readonly #calls = new ToolCallReader();

  constructor(dropped: DroppedFields, findTool: FindTool) {
    this.#dropped = dropped;
    this.#findTool = findTool;
  }

  /**
   * Reads a content.
   *
   * @param calls absent for a content whose author does not call tools
   * @see https://platform.claude.com/docs/en/api/messages (content)
   */
  content(value: unknown, path: string, calls?: ToolCallReader): Content {
    const context = { prefix: 'messages.content.', dropped: this.#dropped, calls, findTool: this.#findTool };
    return readParts(value, path, context);
  }

  /**
   * @param given the content to read instead of the message's own
   * @returns several messages for one that contains results of tools
   */
  read(item: unknown, path: string, given?: unknown): Message[] {
    const message = required(object, item, path);
    const role = required(string, message['role'], `${path}.role`).toLowerCase();
    const content = given ?? message['content'];
    const contentPath = `${path}.content`;
    if (role === 'user') return this.#readUser(content, contentPath);
    if (role === 'assistant' && hasSearches(content)) {
      return readSearches(content, (blocks) => this.content(blocks, contentPath, this.#calls));
    }
    return [messageOf(role, this.content(content, contentPath, role === 'assistant' ? this.#calls : undefined))];
  }

  /** Reads a user's message: first the results of tools, each as a message of its own, then everything else as one message. */
  #readUser(value: unknown, path: string): Message[] {
    if (!Array.isArray(value)) return [this.#readUserText(value, path)];
    const results: ToolMessage[] = [];
    // Results leave a gap, so that the others keep their paths.
    const others: unknown[] = value.map((block: unknown, index) => {
      if (!isObject(block) || block['type'] !== 'tool_result') return block;
      results.push(this.#readToolResult(block, `${path}[${index}]`));
      return null;
    });
    return results.length > 0 && results.length === value.length
      ? results
      : [...results, this.#readUserText(others, path)];
  }

  #readUserText(value: unknown, path: string): Message {
    return messageOf('user', this.content(value, path));
  }

  #readToolResult(fields: JsonObject, path: string): ToolMessage {
    const callId = typeof fields['tool_use_id'] === 'string' ? fields['tool_use_id'] : '';
    const content = this.content(fields['content'], `${path}.content`);
    const text = textOf(content);
    return {
      role: 'tool',
      text: fields['is_error'] === true ? asError(text) : text,
      callId,
      name: this.#calls.nameOf(callId),
      ...attachmentsOf(content),
    };
  }
}

/** Marks a failed tool's result in its text: no other dialect has a field for it. */
function asError(text: string): string {
  return /^\W*(tool_use_)?error/i.test(text.slice(0, 40)) ? text : `Error: ${text}`;
}
