import type { ChatEvent } from '../../chat/event.ts';
import type { ChatRequest, JsonObject, Tool, ToolChoice } from '../../chat/request.ts';
import { GatewayError } from '../../errors.ts';
import { isObject, parseExact } from '../../framing/json.ts';
import { newCallId } from './decoder.ts';
import { inlineRefs } from './schema-refs.ts';

/**
 * Ollama has no tool_choice. A call is forced by letting the sampler write nothing but one, as JSON text:
 * this is the schema it follows.
 */
export function forcedFormat(tools: readonly Tool[], choice: ToolChoice): JsonObject {
  const calls = callable(tools, choice).map(({ name, parameters }) => ({
    type: 'object',
    properties: { name: { enum: [name] }, arguments: inlineRefs(parameters ?? { type: 'object' }) },
    required: ['name', 'arguments'],
    additionalProperties: false,
  }));
  const [only] = calls;
  return calls.length === 1 && only !== undefined ? only : { anyOf: calls };
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

/**
 * Turns the JSON text of a forced call back into the call. What the model calls by itself passes as it is.
 *
 * @param names of the tools that it may be
 * @param maxLength characters of the text
 */
export function callFromText(
  emit: (event: ChatEvent) => void,
  names: readonly string[] | undefined,
  maxLength: number,
): (event: ChatEvent) => void {
  const expected = ({ name }: { readonly name: string }): void => {
    if (names?.includes(name) === false) throw new GatewayError('upstream_error', 'The model called another tool.');
  };
  let text = '';
  let called = false;
  return (event) => {
    switch (event.type) {
      case 'text':
        text += event.text;
        if (text.length <= maxLength) return;
        throw new GatewayError('upstream_protocol_error', 'The model writes a tool call without end.');
      case 'tool-call':
        called = true;
        expected(event);
        emit(event);
        return;
      case 'reasoning':
        emit(event);
        return;
      case 'finish': {
        // Cut at its length, the JSON is not whole: there is no call to give.
        if (called || event.reason === 'length') return emit(event);
        const call = readCall(text);
        expected(call);
        emit({ type: 'tool-call', id: newCallId(), ...call });
        return emit({ ...event, reason: 'tool_calls' });
      }
      default:
        event satisfies never;
    }
  };
}

function readCall(text: string): { name: string; arguments: string } {
  let call: unknown;
  try {
    call = parseExact(text);
  } catch {
    // Below.
  }
  if (!isObject(call) || typeof call['name'] !== 'string' || !isObject(call['arguments'] ?? {})) {
    throw new GatewayError('upstream_error', 'The model did not call a tool.');
  }
  return { name: call['name'], arguments: JSON.stringify(call['arguments'] ?? {}) };
}

/** Keeps the first call of an answer and drops the others. */
export function firstCallOnly(emit: (event: ChatEvent) => void): (event: ChatEvent) => void {
  let called = false;
  return (event) => {
    if (event.type === 'tool-call') {
      if (called) return;
      called = true;
    }
    emit(event);
  };
}
