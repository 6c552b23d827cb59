import type { ChatEvent, Emit } from '../../chat/event.ts';
import type { ChatRequest, JsonObject, Tool, ToolChoice } from '../../chat/request.ts';
import { GatewayError } from '../../errors.ts';
import { isObject, parseExact } from '../../framing/json.ts';
import { newCallId } from '../call-ids.ts';
import { inlineRefs } from './schema-refs.ts';

/**
 * Ollama has no tool_choice, and a model that is held to a format cannot call tools. So a call is forced, or let in beside
 * the answer, by what the sampler may write: the call as JSON text.
 *
 * @returns the schema to hold the sampler to, if any
 */
export function samplerFormat({ format, toolChoice, tools }: ChatRequest): 'json' | JsonObject | undefined {
  if (tools === undefined) return format;
  if (toolChoice !== undefined) return forcedFormat(tools, toolChoice);
  if (format === undefined) return undefined;
  return { anyOf: [...callSchemas(tools), format === 'json' ? { type: 'object' } : inlineRefs(format)] };
}

function forcedFormat(tools: readonly Tool[], choice: ToolChoice): JsonObject {
  const calls = callSchemas(callable(tools, choice));
  const [only] = calls;
  return calls.length === 1 && only !== undefined ? only : { anyOf: calls };
}

function callSchemas(tools: readonly Tool[]): JsonObject[] {
  return tools.map(({ name, parameters }) => ({
    type: 'object',
    properties: { name: { enum: [name] }, arguments: inlineRefs(parameters ?? { type: 'object' }) },
    required: ['name', 'arguments'],
    additionalProperties: false,
  }));
}

function callable(tools: readonly Tool[], choice: ToolChoice): readonly Tool[] {
  return choice === 'required' ? tools : tools.filter(({ name }) => name === choice.name);
}

/** The same request for a model whose template knows no tools: they stand in a system message instead. */
export function withToolsInPrompt(request: ChatRequest, tools: readonly Tool[], choice: ToolChoice): ChatRequest {
  const { tools: _, ...rest } = request;
  const listed = callable(tools, choice)
    .map((tool) => JSON.stringify(tool))
    .join('\n');
  const text = `Call one of these tools. Answer with JSON only: {"name": …, "arguments": {…}}\n${listed}`;
  return { ...rest, format: forcedFormat(tools, choice), messages: [{ role: 'system', text }, ...request.messages] };
}

export interface JsonCalls {
  /** Of the tools that may be called. */
  readonly names: readonly string[];
  /** Whether text that is no call is an error, not the answer. */
  readonly forced: boolean;
  /** Characters of the text, which is held back until it is known what it is. */
  readonly maxLength: number;
}

/** Turns the JSON text of a call back into the call. What the model calls by itself passes as it is. */
export function callsFromText(emit: Emit, { names, forced, maxLength }: JsonCalls): Emit {
  const held: ChatEvent[] = [];
  let text = '';
  let called = false;
  return (event) => {
    switch (event.type) {
      case 'text':
        held.push(event);
        text += event.text;
        if (text.length <= maxLength) return;
        throw new GatewayError('upstream_protocol_error', 'The model writes JSON without end.');
      case 'tool-call':
        called = true;
        if (forced && !names.includes(event.name)) throw notCalled();
        return emit(event);
      case 'reasoning':
        return emit(event);
      case 'finish': {
        // Cut at its length, the JSON of a call is not whole.
        const call = called || event.reason === 'length' ? undefined : readCall(text, names);
        if (call !== undefined) {
          emit({ type: 'tool-call', id: newCallId(), ...call });
          return emit({ ...event, reason: 'tool_calls' });
        }
        if (!forced) for (const one of held) emit(one);
        else if (!called && event.reason !== 'length') throw notCalled();
        return emit(event);
      }
      default:
        event satisfies never;
    }
  };
}

function notCalled(): GatewayError {
  return new GatewayError('upstream_error', 'The model did not call the tool that it had to.');
}

function readCall(text: string, names: readonly string[]): { name: string; arguments: string } | undefined {
  let call: unknown;
  try {
    call = parseExact(text);
  } catch {
    return undefined;
  }
  if (!isObject(call) || typeof call['name'] !== 'string' || !names.includes(call['name'])) return undefined;
  const args = call['arguments'] ?? {};
  return isObject(args) ? { name: call['name'], arguments: JSON.stringify(args) } : undefined;
}
