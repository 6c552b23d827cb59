import type { JsonObject } from '../chat/request.ts';
import { GatewayError, invalidValue } from '../errors.ts';
import { isObject } from '../framing/json.ts';

/**
 * Readers of one field of a request body. Each takes the field's value and its path (`messages[0].role`). A field that
 * is missing or null is absent, and its reader returns undefined. They are as lenient as Ollama and local servers: a text
 * that spells a number or a boolean is one, `''` and PHP's `[]` for an empty object are absent, and a number out of range
 * becomes the nearest one. Any other value of another type is a 400 with the path as its `param`.
 */

/** Reads an object. @throws {GatewayError} 400 for any other value */
export function object(value: unknown, path: string): JsonObject | undefined {
  if (value == null || value === '' || (Array.isArray(value) && value.length === 0)) return undefined;
  if (!isObject(value)) throw invalidValue(path, `${path} must be an object.`);
  return value;
}

/** Reads an array, whatever its items are. @throws {GatewayError} 400 for any other value */
export function array(value: unknown, path: string): readonly unknown[] | undefined {
  if (value == null || value === '') return undefined;
  if (!Array.isArray(value)) throw invalidValue(path, `${path} must be an array.`);
  return value;
}

/** Reads a string, which may be empty. @throws {GatewayError} 400 for any other value */
export function string(value: unknown, path: string): string | undefined {
  if (value == null) return undefined;
  if (typeof value !== 'string') throw invalidValue(path, `${path} must be a string.`);
  return value;
}

/** Reads true or false. @throws {GatewayError} 400 for any other value */
export function boolean(value: unknown, path: string): boolean | undefined {
  if (typeof value === 'boolean') return value;
  if (value == null || value === '') return undefined;
  const word = typeof value === 'string' ? value.toLowerCase() : value;
  if (word !== 'true' && word !== 'false') throw invalidValue(path, `${path} must be true or false.`);
  return word === 'true';
}

/** Larger numbers mean nothing to a sampler, and are infinite to a server that reads them as float32. */
const largest = 1e6;

/** Reads a number, which becomes the nearest one from `min` to `max`. @throws {GatewayError} 400 for any other value */
export function number(value: unknown, path: string, min = -largest, max = largest): number | undefined {
  if (value == null) return undefined;
  if (typeof value === 'string' && value.trim() === '') return undefined;
  const read = typeof value === 'string' ? Number(value) : value;
  if (typeof read !== 'number' || Number.isNaN(read)) throw invalidValue(path, `${path} must be a number.`);
  return Math.min(Math.max(read, min), max);
}

/** Reads a whole number like `number`. As in Ollama, a fraction is cut off. @throws {GatewayError} 400 for any other value */
export function integer(
  value: unknown,
  path: string,
  min = Number.MIN_SAFE_INTEGER,
  max = Number.MAX_SAFE_INTEGER,
): number | undefined {
  const read = number(value, path, min, max);
  return read && Math.trunc(read);
}

/** Reads one of the strings in `allowed`. @throws {GatewayError} 400 for any other value */
export function oneOf<const T extends string>(value: unknown, path: string, allowed: readonly T[]): T | undefined {
  if (value == null) return undefined;
  if (!allowed.includes(value as T)) throw invalidValue(path, `${path} must be one of ${allowed.join(', ')}.`);
  return value as T;
}

/**
 * Reads a field that must be present.
 *
 * @param read the reader of its type, such as `string`
 * @param limits the reader's remaining arguments
 * @throws {GatewayError} 400 when the field is absent, and whenever its reader throws
 */
export function required<T, const Limits extends readonly unknown[]>(
  read: (value: unknown, path: string, ...limits: Limits) => T | undefined,
  value: unknown,
  path: string,
  ...limits: Limits
): T {
  const result = read(value, path, ...limits);
  if (result === undefined) throw invalidValue(path, `${path} is required.`);
  return result;
}

/** Reads a request body. @throws {GatewayError} 400 without a `param` for anything but an object */
export function readObjectBody(body: unknown): JsonObject {
  if (!isObject(body)) throw new GatewayError('invalid_value', 'The request body must be a JSON object.');
  return body;
}

type Defined<T> = { [Name in keyof T]?: Exclude<T[Name], undefined> };

/** @returns a copy without the fields that are undefined, so that an absent field stays absent */
export function defined<T extends object>(fields: T): Defined<T> {
  const present: Partial<T> = {};
  for (const name in fields) if (fields[name] !== undefined) present[name] = fields[name];
  return present as Defined<T>;
}
