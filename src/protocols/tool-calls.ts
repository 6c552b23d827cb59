import type { AssistantMessage, JsonObject } from '../chat/request.ts';
import { GatewayError, invalidValue } from '../errors.ts';
import { countValues } from '../framing/depth.ts';
import { isObject, parseExact } from '../framing/json.ts';
import { array, object, required, string } from './fields.ts';

type ToolCall = AssistantMessage['toolCalls'][number];

/** Limits of the arguments of a request's calls that are written as text, into which the limits of its body do not look. */
const maxDepth = 128;
const maxFields = 10_000;
/** Values of all arguments together. */
const maxValues = 100_000;

/** Reads the tool calls in the messages of one request. */
export class ToolCallReader {
  /** Names of the tools called so far, by call id: a tool's result has only the id, but Ollama wants the name. */
  readonly #names = new Map<string, string>();
  #valuesLeft = maxValues;

  /** @returns the tool that was called; undefined if no call before has this id */
  nameOf(callId: string): string | undefined {
    return this.#names.get(callId);
  }

  /** Notes the name of the tool of a call. */
  add({ id, name }: Pick<ToolCall, 'id' | 'name'>): void {
    this.#names.set(id, name);
  }

  /**
   * Reads the `tool_calls` of an assistant's message, which OpenAI's chat completions and Ollama write alike. An absent
   * id becomes ''.
   *
   * @throws {GatewayError} 400 with `param` for a call without a name, or with arguments that cannot be read
   */
  readCalls(value: unknown, path: string): ToolCall[] {
    return (array(value, path) ?? []).map((item, index) => {
      const callPath = `${path}[${index}]`;
      const fields = required(object, item, callPath);
      const called = required(object, fields['function'], `${callPath}.function`);
      const call = {
        id: string(fields['id'], `${callPath}.id`) ?? '',
        name: required(string, called['name'], `${callPath}.function.name`),
        arguments: this.readArguments(called['arguments'], `${callPath}.function.arguments`),
      };
      this.add(call);
      return call;
    });
  }

  /**
   * Reads a tool call's arguments: an object, or its JSON as text. Many histories hold '' or null for a call without
   * arguments, which becomes {}.
   *
   * @throws {GatewayError} 400 for anything else
   */
  readArguments(value: unknown, path: string): JsonObject {
    if (value == null || value === '') return {};
    if (isObject(value)) return value;
    const text = required(string, value, path);
    this.#checkSize(text, path);
    let parsed: unknown;
    try {
      parsed = parseExact(text);
    } catch (cause) {
      throw new GatewayError('invalid_value', `${path} must be JSON.`, { param: path, cause });
    }
    if (!isObject(parsed)) throw invalidValue(path, `${path} must be a JSON object.`);
    return parsed;
  }

  #checkSize(text: string, path: string): void {
    const limits = { depth: maxDepth, values: this.#valuesLeft, fields: maxFields };
    const values = countValues(Buffer.from(text), limits);
    if (values === 'depth') throw invalidValue(path, `${path} is nested too deeply.`);
    if (values === 'fields') throw invalidValue(path, `${path} has an object with more than ${maxFields} fields.`);
    if (values === 'values') {
      throw invalidValue(path, `The arguments of all tool calls up to ${path} have more than ${maxValues} values.`);
    }
    this.#valuesLeft -= values;
  }
}

/**
 * Parses the arguments of a model's tool call, for dialects that send them as an object. Numbers keep all their digits.
 *
 * @throws {GatewayError} 502 for arguments that are not a JSON object: these dialects cannot express them
 */
export function parseCallArguments(text: string): JsonObject {
  const message = 'The model called a tool with arguments that are not a JSON object.';
  let parsed: unknown;
  try {
    parsed = parseExact(text);
  } catch (cause) {
    throw new GatewayError('upstream_protocol_error', message, { cause });
  }
  if (!isObject(parsed)) throw new GatewayError('upstream_protocol_error', message);
  return parsed;
}
