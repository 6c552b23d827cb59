import type { AssistantMessage, Image, Message } from '../../../chat/request.ts';
import { invalidValue } from '../../../errors.ts';
import { readImageUrl } from '../../images.ts';
import { ToolCallReader } from '../../tool-calls.ts';
import type { Item } from './items.ts';

type ToolCall = AssistantMessage['toolCalls'][number];
type ItemOf<Type> = Extract<Item, { type: Type }>;

/** An assistant's message that further items may still extend. */
interface AssistantDraft {
  readonly role: 'assistant';
  text: string;
  readonly reasoning: string;
  readonly toolCalls: ToolCall[];
}

/**
 * Converts items to messages. The assistant's thinking, text and calls are several items, but one message. Thinking is
 * left out when no text or call of the assistant follows it.
 *
 * @param entries each item with the path of the field it was read from
 * @throws {GatewayError} 400 with `param` for an image or for arguments that cannot be read
 */
export function toMessages(entries: readonly { readonly item: Item; readonly path: string }[]): Message[] {
  const conversion = new Conversion();
  for (const { item, path } of entries) conversion.add(item, path);
  return conversion.messages;
}

class Conversion {
  readonly messages: Message[] = [];
  readonly #calls = new ToolCallReader();
  #draft: AssistantDraft | undefined;
  /** The thinking that the next message of the assistant gets. */
  #reasoning = '';

  add(item: Item, path: string): void {
    switch (item.type) {
      case 'reasoning':
        // New thinking starts a new message.
        this.#draft = undefined;
        this.#reasoning += joinTexts(item.content ?? item.summary);
        return;
      case 'function_call':
        this.#draft ??= this.#startDraft();
        this.#draft.toolCalls.push(this.#readCall(item, path));
        return;
      case 'function_call_output': {
        const text = typeof item.output === 'string' ? item.output : joinTexts(item.output);
        this.#push({ role: 'tool', text, callId: item.call_id, name: this.#calls.nameOf(item.call_id) });
        return;
      }
      case 'message':
        if (item.role === 'assistant') this.#addAnswer(item.content);
        else this.#push(toMessage(item, path));
        return;
      default:
        item satisfies never;
    }
  }

  #readCall({ call_id: id, name, arguments: text }: ItemOf<'function_call'>, path: string): ToolCall {
    const call = { id, name, arguments: this.#calls.readArguments(text, `${path}.arguments`) };
    this.#calls.add(call);
    return call;
  }

  #addAnswer(content: Extract<Item, { role: 'assistant' }>['content']): void {
    if (this.#draft === undefined || this.#draft.text !== '') this.#draft = this.#startDraft();
    this.#draft.text = joinTexts(content);
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

function joinTexts(parts: readonly ({ readonly text: string } | { readonly refusal: string })[]): string {
  return parts.map((part) => ('text' in part ? part.text : part.refusal)).join('\n');
}

function toMessage(item: Exclude<ItemOf<'message'>, { role: 'assistant' }>, path: string): Message {
  const texts: string[] = [];
  const images: Image[] = [];
  item.content.forEach((part, index) => {
    if (part.type === 'input_text') texts.push(part.text);
    else images.push(readImageUrl(part.image_url ?? '', `${path}.content[${index}].image_url`));
  });
  const text = texts.join('\n');
  if (item.role === 'user') return { role: 'user', text, images };
  if (images.length > 0) {
    throw invalidValue(
      `${path}.content`,
      `Only user messages can contain images, but ${path} has the role ${item.role}.`,
    );
  }
  return { role: 'system', text };
}
