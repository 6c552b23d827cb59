import { GatewayError } from '../errors.ts';
import { isObject, parseExact } from '../framing/json.ts';

/** Readers of what upstreams send, which may be anything. */

/** What can be counted: neither negative nor 1e999, which JSON.parse takes for infinity. */
export function count(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : undefined;
}

/** '' for nothing. @throws {GatewayError} for what is no text: it would be lost in silence */
export function text(value: unknown): string {
  if (value == null) return '';
  if (typeof value === 'string') return value;
  throw new GatewayError('upstream_protocol_error', 'The upstream sent content that is not text.');
}

/** A vector of an embedding. */
export function isVector(value: unknown): value is number[] {
  return Array.isArray(value) && value.length > 0 && value.every(Number.isFinite);
}

/** The texts of a list; what else is in it is left out. */
export function texts(value: readonly unknown[]): string[] {
  return value.filter((each) => typeof each === 'string');
}

/**
 * Parses JSON once more where no number may lose digits.
 *
 * @throws {GatewayError} where it is nested too deeply for that: JSON.parse alone has no such bound
 */
export function parseCalls(json: string): unknown {
  try {
    return parseExact(json);
  } catch (cause) {
    throw new GatewayError('upstream_protocol_error', 'The upstream sent tool calls that cannot be read.', { cause });
  }
}

/** The arguments of a call as text, an object or nothing. @throws {GatewayError} */
export function argumentsText(args: string): string {
  if (args.trim() === '') return '{}';
  let value: unknown;
  try {
    value = JSON.parse(args);
  } catch {
    // Told below, like any other text that is no object.
  }
  if (value === null) return '{}';
  if (isObject(value)) return args;
  throw new GatewayError('upstream_error', 'The model called a tool with arguments that are not a JSON object.');
}
