import type { ToolCall } from 'ollama';
import type { ToolCallEvent } from '../../chat/event.ts';
import { GatewayError } from '../../errors.ts';
import { isObject, parseExact } from '../../framing/json.ts';

/** The server sends an id and an index; the ollama package does not declare them yet. */
type WireToolCall = ToolCall & { id: string; function: ToolCall['function'] & { index: number } };

/**
 * A call with its arguments as an object, as Ollama's clients read them; numbers keep all their digits.
 *
 * @param index its place among the calls of the answer
 * @throws {GatewayError} 502 for arguments that are no object: as text no client could read them
 */
export function toToolCall({ id, name, arguments: text }: ToolCallEvent, index: number): WireToolCall {
  return { id, function: { index, name, arguments: readCallArguments(text) } };
}

function readCallArguments(text: string): Readonly<Record<string, unknown>> {
  let parsed: unknown;
  try {
    parsed = parseExact(text);
  } catch (cause) {
    throw new GatewayError('upstream_protocol_error', noObject, { cause });
  }
  if (!isObject(parsed)) throw new GatewayError('upstream_protocol_error', noObject);
  return parsed;
}

const noObject = 'The model called a tool with arguments that are not a JSON object.';
