import type { JsonObject } from '../chat/request.ts';
import { GatewayError, invalidValue } from '../errors.ts';
import { nestsDeeper } from '../framing/depth.ts';
import { isObject, parseExact } from '../framing/json.ts';

/**
 * Readers of one field of a request body. A field that is missing or null is absent and gives undefined; one of another
 * type or out of its range is a 400 whose `param` is `path`.
 */

export function object(value: unknown, path: string): Readonly<Record<string, unknown>> | undefined {
  if (value == null) return undefined;
  if (!isObject(value)) throw invalidValue(path, `${path} must be an object.`);
  return value;
}

export function array(value: unknown, path: string): readonly unknown[] | undefined {
  if (value == null) return undefined;
  if (!Array.isArray(value)) throw invalidValue(path, `${path} must be an array.`);
  return value;
}

export function string(value: unknown, path: string): string | undefined {
  if (value == null) return undefined;
  if (typeof value !== 'string') throw invalidValue(path, `${path} must be a string.`);
  return value;
}

export function boolean(value: unknown, path: string): boolean | undefined {
  if (value == null) return undefined;
  if (typeof value !== 'boolean') throw invalidValue(path, `${path} must be true or false.`);
  return value;
}

export function number(value: unknown, path: string, min: number, max: number): number | undefined {
  if (value == null) return undefined;
  if (typeof value !== 'number' || value < min || value > max) {
    throw invalidValue(path, `${path} must be a number from ${min} to ${max}.`);
  }
  return value;
}

export function integer(value: unknown, path: string, min: number, max = Number.MAX_SAFE_INTEGER): number | undefined {
  if (value == null) return undefined;
  if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max) {
    const range = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`;
    throw invalidValue(path, `${path} must be a whole number ${range}.`);
  }
  return value;
}

export function oneOf<const T extends string>(value: unknown, path: string, allowed: readonly T[]): T | undefined {
  if (value == null) return undefined;
  if (!allowed.includes(value as T)) throw invalidValue(path, `${path} must be one of ${allowed.join(', ')}.`);
  return value as T;
}

/** @throws {GatewayError} when the field is absent, which `read` reports as undefined */
export function required<T>(value: T | undefined, path: string): T {
  if (value === undefined) throw invalidValue(path, `${path} is required.`);
  return value;
}

/** Two fields that say the same thing: the value of the one that is there. */
export function exclusive(body: Readonly<Record<string, unknown>>, first: string, second: string): void {
  if (body[first] != null && body[second] != null) throw invalidValue(second, `Send ${first} or ${second}, not both.`);
}

/** `{[name]: value}`, or nothing: what is absent stays absent. */
export function optional<Name extends string, Value>(
  name: Name,
  value: Value | undefined,
): Partial<Record<Name, Value>> {
  return value === undefined ? {} : ({ [name]: value } as Record<Name, Value>);
}

/** How long the model stays loaded: seconds, or a Go duration. */
export function readKeepAlive(value: unknown): string | number | undefined {
  if (value == null) return undefined;
  if (typeof value === 'string' || typeof value === 'number') return value;
  throw invalidValue('keep_alive', 'keep_alive must be seconds or a duration such as "10m".');
}

/** Objects and arrays within each other. */
const maxArgumentsDepth = 128;

/** Arguments of a tool call: a JSON object as text; models that were called without arguments left '' or null in many histories. */
export function readArguments(value: unknown, path: string): JsonObject {
  if (value == null || value === '') return {};
  if (isObject(value)) return value;
  const text = required(string(value, path), path);
  // To the limit of bodies a string is no depth, whatever is in it.
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
