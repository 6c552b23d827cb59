import type { ToolCall } from 'ollama';
import type { ToolCallEvent } from '../../chat/event.ts';
import { parseCallArguments } from '../tool-calls.ts';

/** Ollama also sends an id and an index, which the ollama package does not declare yet. */
type WireToolCall = ToolCall & { id: string; function: ToolCall['function'] & { index: number } };

/**
 * Converts a tool call to Ollama's, whose arguments are an object. Numbers in it keep all their digits.
 *
 * @param index of the call in the answer
 * @throws {GatewayError} 502 for arguments that are not a JSON object
 */
export function toToolCall({ id, name, arguments: text }: ToolCallEvent, index: number): WireToolCall {
  return { id, function: { index, name, arguments: parseCallArguments(text) } };
}
