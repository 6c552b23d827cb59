import type { Audio, Image, Message, PdfDocument, ToolCall } from '../../../chat/request.ts';
import type { DroppedFields } from '../../dropped-fields.ts';
import { type Content, attachmentsOf, textOf } from '../../part.ts';
import { readParts } from '../../parts.ts';
import { searchFunction } from '../../hosted-tools.ts';
import { messageOf } from '../../roles.ts';
import { ToolCallReader } from '../../tool-calls.ts';
import { summaryMessage, unreadableSummary } from './compaction/item.ts';
import type { AgentMessage, Item } from './items.ts';
import { searchItemText } from './search/items.ts';
import {
  type OfferedTools,
  type ToolItem,
  functionCallOf,
  hasOutput,
  isToolItem,
  toolOutputOf,
} from './tools/index.ts';

/** An assistant's message that further items may still extend. */
interface AssistantDraft {
  readonly role: 'assistant';
  text: string;
  reasoning: string;
  readonly toolCalls: ToolCall[];
  images?: readonly Image[];
  audio?: readonly Audio[];
  documents?: readonly PdfDocument[];
}

/**
 * Converts items to messages. The assistant's thinking, text and calls are several items, but one message. Thinking is
 * left out when no text or call of the assistant follows it.
 *
 * @param entries each item with the path of the field it was read from
 * @param offered the tools, whose names differ between client and model
 * @param dropped gets the parts that no model can be sent
 */
export function toMessages(
  entries: readonly { readonly item: Item; readonly path: string }[],
  offered: OfferedTools,
  dropped: DroppedFields,
): Message[] {
  const conversion = new Conversion(offered, dropped);
  for (const { item, path } of entries) conversion.add(item, path);
  return conversion.messages;
}

class Conversion {
  readonly messages: Message[] = [];
  readonly #calls = new ToolCallReader();
  #draft: AssistantDraft | undefined;
  /** The thinking that the next message of the assistant gets. */
  #reasoning = '';
  readonly #offered: OfferedTools;
  readonly #dropped: DroppedFields;

  constructor(offered: OfferedTools, dropped: DroppedFields) {
    this.#offered = offered;
    this.#dropped = dropped;
  }

  add(item: Item, path: string): void {
    if (isToolItem(item)) return this.#addToolItem(item, path);
    switch (item.type) {
      case 'reasoning':
        // New thinking starts a new message.
        this.#draft = undefined;
        this.#reasoning += joinTexts(item.content ?? item.summary);
        return;
      case 'function_call':
        return this.#addCall(item.call_id, this.#offered.functionName({ ...item, type: 'function' }), item.arguments);
      case 'function_call_output':
        return this.#addOutput(item.call_id, item.output, path);
      case 'message': {
        const content = this.#readContent(item.content, `${path}.content`, 'input.content.', item.role);
        if (item.role === 'assistant') this.#addAnswer(content);
        else this.#push(messageOf(item.role, content));
        return;
      }
      case 'web_search_call': {
        const id = item.id ?? path;
        this.#addCall(id, searchFunction, { query: item.action.query });
        return this.#addOutput(id, searchItemText(item), path);
      }
      case 'compaction': {
        const summary = summaryMessage(item.encrypted_content);
        if (summary === undefined) this.#dropped.add('input.compaction', true);
        this.#push(summary ?? unreadableSummary);
        return;
      }
      case 'agent_message':
        return this.#addAgentMessage(item, path);
      case 'compaction_trigger':
        return;
      default:
        item satisfies never;
    }
  }

  /** Models know no other agents, so the author is named in the text. */
  #addAgentMessage({ author, content }: AgentMessage, path: string): void {
    const read = this.#readContent(content, `${path}.content`, 'input.content.');
    const heading = author === '' ? '' : `Message from ${author}:\n`;
    this.#push(messageOf('user', { ...read, texts: [heading + read.texts.join('\n')] }));
  }

  #addToolItem(item: ToolItem, path: string): void {
    const call = functionCallOf(item, this.#offered);
    if (call !== undefined) this.#addCall(item.call_id, call.name, call.arguments);
    if (hasOutput(item)) this.#addOutput(item.call_id, toolOutputOf(item), path);
  }

  #addCall(callId: string, name: string, args: unknown): void {
    this.#draft ??= this.#startDraft();
    this.#draft.toolCalls.push(this.#calls.readCall(callId, name, args));
  }

  #addOutput(callId: string, output: unknown, path: string): void {
    const content = this.#readContent(output, `${path}.output`, 'input.output.');
    const name = this.#calls.nameOf(callId);
    this.#push({ role: 'tool', text: textOf(content), callId, name, ...attachmentsOf(content) });
  }

  #readContent(value: unknown, path: string, prefix: string, role?: string): Content {
    const calls = role === 'assistant' ? this.#calls : undefined;
    return readParts(value, path, { prefix, dropped: this.#dropped, calls });
  }

  #addAnswer(content: Content): void {
    if (this.#draft === undefined || this.#draft.text !== '') this.#draft = this.#startDraft();
    this.#draft.text = content.texts.join('\n');
    if (this.#draft.reasoning === '') this.#draft.reasoning = content.thoughts.join('\n');
    this.#draft.toolCalls.push(...content.calls);
    Object.assign(this.#draft, attachmentsOf(content));
  }

  #startDraft(): AssistantDraft {
    const draft: AssistantDraft = { role: 'assistant', text: '', reasoning: this.#reasoning, toolCalls: [] };
    this.messages.push(draft);
    this.#reasoning = '';
    return draft;
  }

  /** Adds a message that is not the assistant's, which ends the assistant's. */
  #push(message: Message): void {
    this.messages.push(message);
    this.#draft = undefined;
    this.#reasoning = '';
  }
}

function joinTexts(parts: readonly { readonly text: string }[]): string {
  return parts.map(({ text }) => text).join('\n');
}
