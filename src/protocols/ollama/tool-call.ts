import type { ToolCall } from 'ollama';
import type { ToolCallEvent } from '../../chat/event.ts';
import { parseCallArguments } from '../tool-calls.ts';

/** Ollama also sends an id and an index, which the ollama package does not declare yet. */
export interface WireToolCall {
  readonly id: string;
  readonly function: {
    readonly index: number;
    readonly name: string;
    /** Text if the model wrote something else than a JSON object. */
    readonly arguments: ToolCall['function']['arguments'] | string;
  };
}

/**
 * Converts a tool call to Ollama's, whose arguments are an object. Numbers in it keep all their digits.
 *
 * @param index of the call in the answer
 */
export function toToolCall({ id, name, arguments: text }: ToolCallEvent, index: number): WireToolCall {
  return { id, function: { index, name, arguments: parseCallArguments(text) } };
}
