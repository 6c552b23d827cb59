import type { JsonObject } from '../chat/request.ts';
import { GatewayError, invalidValue } from '../errors.ts';
import { isObject } from '../framing/json.ts';

/**
 * Readers of one field of a request body. Each takes the field's value and its path (`messages[0].role`). A field that
 * is missing or null is absent, and its reader returns undefined. A value of another type or out of range is a 400 with
 * the path as its `param`.
 */

/** Reads an object. @throws {GatewayError} 400 for any other value */
export function object(value: unknown, path: string): JsonObject | undefined {
  if (value == null) return undefined;
  if (!isObject(value)) throw invalidValue(path, `${path} must be an object.`);
  return value;
}

/** Reads an array, whatever its items are. @throws {GatewayError} 400 for any other value */
export function array(value: unknown, path: string): readonly unknown[] | undefined {
  if (value == null) return undefined;
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
  if (value == null) return undefined;
  if (typeof value !== 'boolean') throw invalidValue(path, `${path} must be true or false.`);
  return value;
}

/** Reads a number from `min` to `max`, both included. @throws {GatewayError} 400 for any other value */
export function number(value: unknown, path: string, min: number, max: number): number | undefined {
  if (value == null) return undefined;
  if (typeof value !== 'number' || value < min || value > max) {
    throw invalidValue(path, `${path} must be a number from ${min} to ${max}.`);
  }
  return value;
}

/** Reads a whole number from `min` to `max`, both included. @throws {GatewayError} 400 for any other value */
export function integer(value: unknown, path: string, min: number, max = Number.MAX_SAFE_INTEGER): number | undefined {
  if (value == null) return undefined;
  if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max) {
    const range = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`;
    throw invalidValue(path, `${path} must be a whole number ${range}.`);
  }
  return value;
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

type NamedValue = readonly [path: string, value: unknown];

/** Rejects two fields of the same meaning in one request. @throws {GatewayError} 400 when both are present */
export function checkExclusive([first, firstValue]: NamedValue, [second, secondValue]: NamedValue): void {
  if (firstValue != null && secondValue != null) throw invalidValue(second, `Send ${first} or ${second}, not both.`);
}

type Defined<T> = { [Name in keyof T]?: Exclude<T[Name], undefined> };

/** @returns a copy without the fields that are undefined, so that an absent field stays absent */
export function defined<T extends object>(fields: T): Defined<T> {
  const present: Partial<T> = {};
  for (const name in fields) if (fields[name] !== undefined) present[name] = fields[name];
  return present as Defined<T>;
}
