import { parse as parseTolerantly } from 'jsonc-parser';
import type { JsonObject, ToolCall } from '../chat/request.ts';
import { countValues } from '../framing/depth.ts';
import { exactNumber, isObject, parseExact, textIn } from '../framing/json.ts';

/** Limits of the arguments of a request's calls that are written as text, into which the limits of its body do not look. */
const maxDepth = 128;
const maxFields = 10_000;
/** Values of all arguments together. */
const maxValues = 100_000;
/** Characters of arguments that are not JSON: in these the values cannot be counted reliably before they are parsed. */
const maxBroken = 256 * 1024;

/** Reads the tool calls in the messages of one request. */
export class ToolCallReader {
  /** Names of the tools called so far, by call id: a tool's result has only the id, but Ollama wants the name. */
  readonly #names = new Map<string, string>();
  #valuesLeft = maxValues;
  #brokenLeft = maxBroken;

  /** @returns the tool that was called; undefined if no call before has this id */
  nameOf(callId: string): string | undefined {
    return this.#names.get(callId);
  }

  /** Notes the name of the tool of a call. */
  add({ id, name }: Pick<ToolCall, 'id' | 'name'>): void {
    if (id !== '') this.#names.set(id, name);
  }

  /**
   * Reads the `tool_calls` of an assistant's message, which OpenAI's chat completions and Ollama write alike. An absent
   * id or name becomes ''. An entry that is no call is left out.
   */
  readCalls(value: unknown): ToolCall[] {
    const items: readonly unknown[] = Array.isArray(value) ? value : [value];
    return items.filter(isObject).map((fields) => {
      const called = [fields['function'], fields['custom']].find(isObject) ?? fields;
      return this.readCall(fields['id'], called['name'], called['arguments'] ?? inputOf(called));
    });
  }

  /** Reads a call in a history, whatever its fields are: a client cannot change them. */
  readCall(id: unknown, name: unknown, args: unknown): ToolCall {
    const call = { id: textIn(id), name: textIn(name), arguments: this.readArguments(args) };
    this.add(call);
    return call;
  }

  /**
   * Reads the arguments of a call in a history: an object, or its JSON as text. Models write others too, and every later
   * request of the conversation contains them, so they are never an error. Of JSON that breaks off, the beginning is kept;
   * anything else becomes an object with the value in `arguments`.
   */
  readArguments(value: unknown): JsonObject {
    if (typeof value !== 'string') return wrapped(value);
    if (!this.#fits(value)) return { arguments: value };
    let parsed: unknown;
    try {
      parsed = parseExact(value);
    } catch {
      return this.#beginningOf(value);
    }
    // Some clients write the JSON of the JSON.
    return typeof parsed === 'string' ? this.readArguments(parsed) : wrapped(parsed);
  }

  /** Text beyond the limits is not parsed, because that could take long. */
  #fits(text: string): boolean {
    const limits = { depth: maxDepth, values: this.#valuesLeft, fields: maxFields };
    const values = countValues(Buffer.from(text), limits);
    if (typeof values === 'number') this.#valuesLeft -= values;
    return typeof values === 'number';
  }

  /** @returns the fields before the place at which the JSON of an object breaks off; text that is no such JSON as it is */
  #beginningOf(text: string): JsonObject {
    if (text.trim() === '') return {};
    this.#brokenLeft -= text.length;
    if (this.#brokenLeft < 0 || !text.trimStart().startsWith('{')) return { arguments: text };
    let parsed: unknown;
    try {
      parsed = parseTolerantly(text, []);
    } catch {
      // It is nested too deeply for the parser's recursion.
    }
    return isObject(parsed) && Object.keys(parsed).length > 0 ? parsed : { arguments: text };
  }
}

/** A custom tool's input is a text. */
function inputOf({ input }: JsonObject): unknown {
  return typeof input === 'string' ? { input } : input;
}

/** Null, '' and [] stand for no arguments. */
function wrapped(value: unknown): JsonObject {
  if (isObject(value) && exactNumber(value) === undefined) return value;
  const isEmpty = value == null || value === '' || (Array.isArray(value) && value.length === 0);
  return isEmpty ? {} : { arguments: value };
}

/**
 * Parses the arguments of a model's tool call, for dialects that send them as an object. Numbers keep all their digits.
 *
 * @returns an object; or, for text that is not the JSON of one, that text, with which clients can tell the model what is wrong
 */
export function parseCallArguments(text: string): JsonObject | string {
  try {
    const parsed = parseExact(text);
    return isObject(parsed) ? parsed : text;
  } catch {
    return text;
  }
}
