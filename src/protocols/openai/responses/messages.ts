import type { Image, JsonObject, Message } from '../../../chat/request.ts';
import { invalidValue } from '../../../errors.ts';
import { readDataUri } from '../../../images/data-uri.ts';
import { readArguments } from '../../fields.ts';
import type { Item } from './items.ts';

/** An assistant's message that may go on. */
interface Turn {
  readonly role: 'assistant';
  text: string;
  readonly reasoning: string;
  readonly toolCalls: { readonly id: string; readonly name: string; readonly arguments: JsonObject }[];
}

/**
 * Items -> messages. A turn of the assistant is one message, though it is several items: thinking, text and calls.
 * Thinking that none of its own turn follows is left out.
 *
 * @throws {GatewayError} 400 with `param` for an image or for arguments that cannot be read
 */
export function toMessages(entries: readonly { readonly item: Item; readonly path: string }[]): Message[] {
  const messages: Message[] = [];
  /** A tool's result names its call, Ollama wants the tool. */
  const toolNames = new Map<string, string>();
  let turn: Turn | undefined;
  let reasoning = '';
  const begin = (): Turn => {
    const begun: Turn = { role: 'assistant', text: '', reasoning, toolCalls: [] };
    messages.push(begun);
    reasoning = '';
    return begun;
  };
  for (const { item, path } of entries) {
    switch (item.type) {
      case 'reasoning':
        // What is thought anew begins another turn.
        turn = undefined;
        reasoning += joined(item.content ?? item.summary);
        break;
      case 'function_call':
        toolNames.set(item.call_id, item.name);
        turn ??= begin();
        turn.toolCalls.push(toToolCall(item, path));
        break;
      case 'function_call_output': {
        const text = typeof item.output === 'string' ? item.output : joined(item.output);
        messages.push({ role: 'tool', text, callId: item.call_id, name: toolNames.get(item.call_id) });
        [turn, reasoning] = [undefined, ''];
        break;
      }
      case 'message':
        if (item.role === 'assistant') {
          if (turn === undefined || turn.text !== '') turn = begin();
          turn.text = joined(item.content.map((part) => (part.type === 'refusal' ? { text: part.refusal } : part)));
        } else {
          messages.push(toMessage(item, path));
          [turn, reasoning] = [undefined, ''];
        }
        break;
      default:
        item satisfies never;
    }
  }
  return messages;
}

function joined(parts: readonly { readonly text: string }[]): string {
  return parts.map(({ text }) => text).join('\n');
}

function toToolCall(item: Extract<Item, { type: 'function_call' }>, path: string): Turn['toolCalls'][number] {
  return { id: item.call_id, name: item.name, arguments: readArguments(item.arguments, `${path}.arguments`) };
}

function toMessage(
  item: Extract<Item, { type: 'message'; role: 'user' | 'system' | 'developer' }>,
  path: string,
): Message {
  const texts: string[] = [];
  const images: Image[] = [];
  item.content.forEach((part, index) => {
    if (part.type === 'input_text') texts.push(part.text);
    else images.push(toImage(part.image_url ?? '', `${path}.content[${index}].image_url`));
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

function toImage(address: string, param: string): Image {
  return /^https?:/i.test(address) ? { url: address, param } : { base64: readDataUri(address, param) };
}
