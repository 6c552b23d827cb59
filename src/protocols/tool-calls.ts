import type { AssistantMessage, JsonObject } from '../chat/request.ts';
import { GatewayError, invalidValue } from '../errors.ts';
import { nestsDeeper } from '../framing/depth.ts';
import { isObject, parseExact } from '../framing/json.ts';
import { array, object, required, string } from './fields.ts';

/**
 * Reads the `tool_calls` of an assistant's message, which OpenAI's chat completions and Ollama write alike. An absent
 * id becomes ''.
 *
 * @throws {GatewayError} 400 with `param` for a call without a name, or with arguments that cannot be read
 */
export function readToolCalls(value: unknown, path: string): AssistantMessage['toolCalls'] {
  return (array(value, path) ?? []).map((item, index) => {
    const callPath = `${path}[${index}]`;
    const call = required(object, item, callPath);
    const called = required(object, call['function'], `${callPath}.function`);
    return {
      id: string(call['id'], `${callPath}.id`) ?? '',
      name: required(string, called['name'], `${callPath}.function.name`),
      arguments: readArguments(called['arguments'], `${callPath}.function.arguments`),
    };
  });
}

/** Levels of objects and arrays within each other. */
const maxArgumentsDepth = 128;

/**
 * Reads a tool call's arguments: an object, or its JSON as text. Many histories hold '' or null for a call without
 * arguments, which becomes {}.
 *
 * @throws {GatewayError} 400 for anything else
 */
export function readArguments(value: unknown, path: string): JsonObject {
  if (value == null || value === '') return {};
  if (isObject(value)) return value;
  const text = required(string, value, path);
  // The limit on the depth of bodies does not look into strings.
  if (nestsDeeper(Buffer.from(text), maxArgumentsDepth)) throw invalidValue(path, `${path} is nested too deeply.`);
  let parsed: unknown;
  try {
    parsed = parseExact(text);
  } catch (cause) {
    throw new GatewayError('invalid_value', `${path} must be JSON.`, { param: path, cause });
  }
  if (!isObject(parsed)) throw invalidValue(path, `${path} must be a JSON object.`);
  return parsed;
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
