import type { Audio, Image, Message, PdfDocument, ToolCall } from '../../../chat/request.ts';
import type { DroppedFields } from '../../dropped-fields.ts';
import { type Content, attachmentsOf, textOf } from '../../part.ts';
import { readParts } from '../../parts.ts';
import { messageOf } from '../../roles.ts';
import { ToolCallReader } from '../../tool-calls.ts';
import type { Item } from './items.ts';

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
 * @param dropped gets the parts that no model can be sent
 */
export function toMessages(
  entries: readonly { readonly item: Item; readonly path: string }[],
  dropped: DroppedFields,
): Message[] {
  const conversion = new Conversion(dropped);
  for (const { item, path } of entries) conversion.add(item, path);
  return conversion.messages;
}

class Conversion {
  readonly messages: Message[] = [];
  readonly #calls = new ToolCallReader();
  #draft: AssistantDraft | undefined;
  /** The thinking that the next message of the assistant gets. */
  #reasoning = '';
  readonly #dropped: DroppedFields;

  constructor(dropped: DroppedFields) {
    this.#dropped = dropped;
  }

  add(item: Item, path: string): void {
    switch (item.type) {
      case 'reasoning':
        // New thinking starts a new message.
        this.#draft = undefined;
        this.#reasoning += joinTexts(item.content ?? item.summary);
        return;
      case 'function_call':
        this.#draft ??= this.#startDraft();
        this.#draft.toolCalls.push(this.#calls.readCall(item.call_id, item.name, item.arguments));
        return;
      case 'function_call_output': {
        const content = this.#readContent(item.output, `${path}.output`, 'input.output.');
        const { call_id: callId } = item;
        const name = this.#calls.nameOf(callId);
        this.#push({ role: 'tool', text: textOf(content), callId, name, ...attachmentsOf(content) });
        return;
      }
      case 'message': {
        const content = this.#readContent(item.content, `${path}.content`, 'input.content.', item.role);
        if (item.role === 'assistant') this.#addAnswer(content);
        else this.#push(messageOf(item.role, content));
        return;
      }
      default:
        item satisfies never;
    }
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
