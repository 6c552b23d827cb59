import { GatewayError } from '../errors.ts';
import { isObject, parseExact } from '../framing/json.ts';

/** Readers for JSON from upstreams, which may hold anything. */

/** More than any response has. The counts of all responses are added up in the metrics. */
const maxCount = 1e9;
/** Seconds: more than any request takes. */
const maxDuration = 1e7;

/** @returns a number that can be a count of tokens; undefined for all others, such as 0.5, -1 and 1e308 */
export function toCount(value: unknown): number | undefined {
  return isNumberUpTo(value, maxCount) && Number.isInteger(value) ? value : undefined;
}

/**
 * @param unit in seconds
 * @returns seconds; undefined for what cannot be the duration of a request
 */
export function toDuration(value: unknown, unit: number): number | undefined {
  return isNumberUpTo(value, maxDuration / unit) ? value * unit : undefined;
}

/** @returns true for a number from 0 to `max`; false for 1e999 as well, which JSON.parse reads as Infinity */
export function isNumberUpTo(value: unknown, max: number): value is number {
  return typeof value === 'number' && value >= 0 && value <= max;
}

/**
 * @returns '' for null and undefined
 * @throws {GatewayError} `upstream_protocol_error` for other types, whose content would be dropped silently
 */
export function toText(value: unknown): string {
  if (value == null) return '';
  if (typeof value === 'string') return value;
  throw new GatewayError('upstream_protocol_error', 'The upstream sent content that is not text.');
}

/** True for an embedding: a list of at least one finite number. */
export function isVector(value: unknown): value is number[] {
  return Array.isArray(value) && value.length > 0 && value.every(Number.isFinite);
}

/** The strings of a list; other elements are left out. */
export function onlyStrings(values: readonly unknown[]): string[] {
  return values.filter((value) => typeof value === 'string');
}

/**
 * Parses JSON so that the numbers in tool arguments keep all digits.
 *
 * @throws {GatewayError} `upstream_protocol_error` when it is nested too deeply, for which JSON.parse alone has no limit
 */
export function parseToolCalls(json: string): unknown {
  try {
    return parseExact(json);
  } catch (cause) {
    throw new GatewayError('upstream_protocol_error', 'The upstream sent tool calls that cannot be read.', { cause });
  }
}

/**
 * @param args the arguments of a tool call as the upstream sent them
 * @returns the JSON text of an object: `{}` for blank text and null
 * @throws {GatewayError} `upstream_error` for anything else
 */
export function argumentsText(args: string): string {
  if (args.trim() === '') return '{}';
  let value: unknown;
  try {
    value = JSON.parse(args);
  } catch {
    // Handled below like other text that is not an object.
  }
  if (value === null) return '{}';
  if (isObject(value)) return args;
  throw new GatewayError('upstream_error', 'The model called a tool with arguments that are not a JSON object.');
}
