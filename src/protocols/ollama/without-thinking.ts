import type { JsonObject } from '../../chat/request.ts';
import { GatewayError } from '../../errors.ts';
import { isObject, jsonLine, parseExact } from '../../framing/json.ts';

/** Fields with the text of the thinking, its tokens, or the tokens of the whole conversation. */
const telling = /"(thinking|logprobs|context)"/;

/**
 * Removes the thinking from an answer of `/api/chat` or `/api/generate`, or from one line of it.
 *
 * @returns '' for a line that contains nothing else
 * @throws {GatewayError} 502 for a text that is not JSON
 */
export function withoutThinking(json: string): string {
  if (!telling.test(json)) return json;
  const line = parseLine(json);
  const message = isObject(line['message']) ? line['message'] : undefined;
  const said = message ?? line;
  const thinks = isText(said['thinking']);
  const speaks = isText(message === undefined ? line['response'] : message['content']);
  const calls = message?.['tool_calls'] != null;
  if (!speaks && !calls && line['done'] !== true && !line['error']) return '';
  // Log probabilities contain the tokens, which may belong to the thinking.
  const hidden = ['thinking', 'context', ...(thinks || !speaks ? ['logprobs'] : [])];
  return jsonLine(without({ ...line, ...(message && { message: without(message, hidden) }) }, hidden));
}

function parseLine(json: string): JsonObject {
  try {
    const line = parseExact(json);
    if (isObject(line)) return line;
  } catch {
    // Refused below: passed on, it could contain thinking.
  }
  throw new GatewayError('upstream_protocol_error', 'The upstream sent an answer that is not JSON.');
}

function isText(value: unknown): boolean {
  return typeof value === 'string' && value !== '';
}

function without(object: JsonObject, names: readonly string[]): JsonObject {
  return Object.fromEntries(Object.entries(object).filter(([name]) => !names.includes(name)));
}
