import { GatewayError } from '../errors.ts';
import { isObject, parseExact } from '../framing/json.ts';

/** Readers for JSON from upstreams, which may hold anything. */

/** @returns a number that can be a count or a duration; undefined for negative ones and 1e999, which JSON.parse reads as Infinity */
export function toCount(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : undefined;
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
