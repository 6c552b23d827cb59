import type { ChatResponse, GenerateResponse, Message, ToolCall } from 'ollama';
import { GatewayError } from '../../errors.ts';
import { isObject } from '../../framing/json.ts';
import { argumentsText, parseToolCalls } from '../coerce.ts';
import { isStreamError, streamError } from './error.ts';

/** One line of a streamed response. Any field may be missing or of another type. */
export type Line = Partial<Record<keyof ChatResponse | keyof GenerateResponse, unknown>>;

/** @throws {GatewayError} for a line that is not a JSON object, or that reports an error */
export function parseLine(json: string): Line {
  let line: unknown;
  try {
    line = JSON.parse(json);
  } catch (cause) {
    throw new GatewayError('upstream_protocol_error', 'The upstream sent a line that is not JSON.', { cause });
  }
  if (!isObject(line)) {
    throw new GatewayError('upstream_protocol_error', 'The upstream sent a line that is not an object.');
  }
  // Servers that imitate Ollama send every field.
  if (isStreamError(line['error'])) throw streamError(line['error']);
  return line;
}

type Content = Record<'thinking' | 'text' | 'toolCalls', unknown>;

/** The content of a line: `/api/chat` sends a message, `/api/generate` a response. */
export function contentOf({ message, thinking, response }: Line): Content {
  if (!isObject(message)) return { thinking, text: response, toolCalls: undefined };
  const fields: Partial<Record<keyof Message, unknown>> = message;
  return { thinking: fields.thinking, text: fields.content, toolCalls: fields.tool_calls };
}

type WireToolCall = Partial<Record<keyof ToolCall | 'id', unknown>>;

/**
 * Parses a line with tool calls again, so that the numbers in their arguments keep all digits.
 *
 * @throws {GatewayError} `upstream_protocol_error` when they are not a list of objects
 */
export function toolCallsOf(json: string): readonly WireToolCall[] {
  const { toolCalls } = contentOf(parseToolCalls(json) as Line);
  if (Array.isArray(toolCalls) && toolCalls.every(isObject)) return toolCalls;
  throw new GatewayError('upstream_protocol_error', 'The upstream sent tool calls that cannot be read.');
}

/** @throws {GatewayError} for a call without a name */
export function toFunctionCall({ function: called }: WireToolCall): { name: string; arguments: string } {
  const { name, arguments: args } = isObject(called) ? called : {};
  if (typeof name !== 'string' || name === '') {
    throw new GatewayError('upstream_protocol_error', 'The upstream sent a tool call without a name.');
  }
  // Some models' arguments arrive as text already.
  return { name, arguments: argumentsText(args) };
}
