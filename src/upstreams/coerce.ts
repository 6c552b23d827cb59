import { GatewayError } from '../errors.ts';
import { parseExact } from '../framing/json.ts';

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
 * Text that is not the JSON of an object is returned unchanged: clients tell the model what is wrong with its arguments and go
 * on, but an error would end their turn.
 *
 * @param args the arguments of a tool call: text as the upstream sent it, or any JSON value
 * @returns the text for the client: `{}` for blank text and null
 */
export function argumentsText(args: unknown): string {
  const text = typeof args === 'string' ? args : JSON.stringify(args ?? {});
  const blank = text.trim();
  return blank === '' || blank === 'null' ? '{}' : text;
}
