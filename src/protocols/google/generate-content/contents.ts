import type { JsonObject, Message, ToolMessage } from '../../../chat/request.ts';
import { invalidValue } from '../../../errors.ts';
import { isObject, textOrJson } from '../../../framing/json.ts';
import type { DroppedFields } from '../../dropped-fields.ts';
import { type Content, attachmentsOf, textOf } from '../../part.ts';
import { readInto, readParts } from '../../parts.ts';
import { messageOf } from '../../roles.ts';
import { ToolCallReader } from '../../tool-calls.ts';
import { partsOf } from '../parts-of.ts';
import { toCommonPart } from './common-part.ts';

/**
 * Reads `systemInstruction` and `contents`. Clients cannot change what is in their history, so nothing in a content is an
 * error.
 *
 * @throws {GatewayError} 400 with `param` when there are no contents
 * @see https://ai.google.dev/api/caching#Content
 */
export function readContents(contents: unknown, systemInstruction: unknown, dropped: DroppedFields): Message[] {
  const items: readonly unknown[] = Array.isArray(contents)
    ? contents
    : contents == null || contents === ''
      ? []
      : [contents];
  if (items.length === 0) throw invalidValue('contents', 'contents must have at least one content.');
  const reader = new ContentReader(dropped);
  const messages = items.flatMap((item, index) => {
    // The SDK keeps a streamed answer as a content for each of its pieces.
    if (isOfModel(item) && isOfModel(items[index - 1])) return [];
    const path = Array.isArray(contents) ? `contents[${index}]` : 'contents';
    return isOfModel(item) ? [reader.readAnswer(answerAt(items, index), path)] : reader.read(item, path);
  });
  if (systemInstruction == null) return messages;
  const system = messageOf('system', reader.readParts(partsOf(systemInstruction), 'systemInstruction.parts', false));
  return system.text === '' && system.images === undefined ? messages : [system, ...messages];
}

function roleOf(item: unknown): string {
  return isObject(item) && typeof item['role'] === 'string' ? item['role'].toLowerCase() : '';
}

function isOfModel(item: unknown): boolean {
  const role = roleOf(item);
  return role === 'model' || role === 'assistant';
}

/** @returns the parts of the model's contents from an index on, up to the next content of another role */
function answerAt(items: readonly unknown[], index: number): readonly unknown[] {
  let end = index + 1;
  while (end < items.length && isOfModel(items[end])) end += 1;
  return items.slice(index, end).flatMap(partsOf);
}

class ContentReader {
  readonly #dropped: DroppedFields;
  readonly #calls = new ToolCallReader();

  constructor(dropped: DroppedFields) {
    this.#dropped = dropped;
  }

  /** @returns several messages for a content with results of functions: these first, each as a message of its own */
  read(item: unknown, path: string): Message[] {
    const role = roleOf(item);
    const parts = partsOf(item);
    const partsPath = `${path}.parts`;
    const results: ToolMessage[] = [];
    // Results leave a gap, so that the others keep their paths.
    const others = parts.map((part, index) => {
      const response = isObject(part) ? part['functionResponse'] : undefined;
      if (!isObject(response)) return part;
      results.push(this.#readResult(response, `${partsPath}[${index}].functionResponse`));
      return null;
    });
    if (results.length > 0 && results.length === parts.length) return results;
    const author = role === '' || role === 'function' ? 'user' : role;
    return [...results, messageOf(author, this.readParts(others, partsPath, false))];
  }

  readAnswer(parts: readonly unknown[], path: string): Message {
    return messageOf('assistant', this.readParts(withWholeTexts(parts), `${path}.parts`, true));
  }

  /** @param mayCall true for the parts of the model */
  readParts(parts: readonly unknown[], path: string, mayCall: boolean): Content {
    const context = {
      prefix: 'contents.parts.',
      dropped: this.#dropped,
      calls: mayCall ? this.#calls : undefined,
    };
    const content = readParts('', path, context);
    parts.forEach((part, index) => {
      const common = toCommonPart(part, `${path}[${index}]`);
      readInto(content, common.part, common.path, context);
    });
    return content;
  }

  #readResult(fields: JsonObject, path: string): ToolMessage {
    const { id, name, response, parts } = fields;
    const callId = typeof id === 'string' ? id : '';
    const media = this.readParts(Array.isArray(parts) ? parts : [], `${path}.parts`, false);
    const text = [resultText(response), textOf(media)].filter((one) => one !== '').join('\n');
    const tool = typeof name === 'string' && name !== '' ? name : this.#calls.nameOf(callId);
    return { role: 'tool', text, callId, name: tool, ...attachmentsOf(media) };
  }
}

/** Joins the texts, and the thoughts, that follow each other: they are the pieces of a stream. */
function withWholeTexts(parts: readonly unknown[]): unknown[] {
  const whole: unknown[] = [];
  let pieces: { texts: string[]; thought: boolean } | undefined;
  const flush = (): void => {
    if (pieces !== undefined) whole.push({ text: pieces.texts.join(''), thought: pieces.thought });
    pieces = undefined;
  };
  for (const part of parts) {
    const text = isObject(part) ? part['text'] : part;
    if (typeof text !== 'string') {
      flush();
      whole.push(part);
      continue;
    }
    if (text === '') continue;
    const thought = isObject(part) && part['thought'] === true;
    if (pieces?.thought !== thought) flush();
    pieces ??= { texts: [], thought };
    pieces.texts.push(text);
  }
  flush();
  return whole;
}

/** A text in `output`, `result` or `error`, as clients wrap it, stands alone; anything else is sent as JSON. */
function resultText(response: unknown): string {
  if (response == null) return '';
  if (typeof response === 'string') return response;
  if (!isObject(response)) return JSON.stringify(response);
  const { name, content, ...rest } = response;
  // The AI SDK and LiteLLM wrap a result like this.
  const isWrapped = name === undefined || typeof name === 'string';
  if (isWrapped && content !== undefined && Object.keys(rest).length === 0) return textOrJson(content);
  if (Object.keys(response).length !== 1) return JSON.stringify(response);
  const { output, result, error } = response;
  if (typeof error === 'string') return /^\W*error/i.test(error.slice(0, 40)) ? error : `Error: ${error}`;
  const text = output ?? result;
  return typeof text === 'string' ? text : JSON.stringify(response);
}
