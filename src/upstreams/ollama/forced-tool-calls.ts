import type { Emit, FinishEvent, ChatEvent } from '../../chat/event.ts';
import type { ChatRequest, JsonObject, Tool, ToolChoice } from '../../chat/request.ts';
import { GatewayError } from '../../errors.ts';
import { newCallId } from '../call-ids.ts';
import { beginsAsCall, readBrokenCall, readCall } from './call-text.ts';
import type { Budget } from './schema-budget.ts';
import { inlineRefs } from './schema-refs.ts';

/**
 * The output format for a request with tools. Ollama has no tool_choice, and a model whose output is constrained to a format
 * cannot call tools. So a required call is written as JSON text, and with a format the model may write a call instead.
 *
 * @returns undefined when the output is not constrained
 * @throws {GatewayError} 400 when the budget is used up
 */
export function formatWithCalls(
  tools: readonly Tool[],
  { format, toolChoice }: ChatRequest,
  budget: Budget,
): 'json' | JsonObject | undefined {
  if (toolChoice !== undefined) return forcedFormat(tools, toolChoice, budget);
  if (format === undefined) return undefined;
  const answer = format === 'json' ? { type: 'object' } : inlineRefs(format, budget);
  return { anyOf: [...callSchemas(tools, budget), answer] };
}

function forcedFormat(tools: readonly Tool[], choice: ToolChoice, budget: Budget): JsonObject {
  const calls = callSchemas(allowedTools(tools, choice), budget);
  const [only] = calls;
  return calls.length === 1 && only !== undefined ? only : { anyOf: calls };
}

function callSchemas(tools: readonly Tool[], budget: Budget): JsonObject[] {
  return tools.map(({ name, parameters }) => ({
    type: 'object',
    properties: { name: { enum: [name] }, arguments: inlineRefs(parameters ?? { type: 'object' }, budget) },
    required: ['name', 'arguments'],
    additionalProperties: false,
  }));
}

function allowedTools(tools: readonly Tool[], choice: ToolChoice): readonly Tool[] {
  return choice === 'required' ? tools : tools.filter(({ name }) => name === choice.name);
}

export interface TextCalls {
  /** The tools that may be called. */
  readonly names: readonly string[];
  /** True when text that is not a call is an error instead of the response. */
  readonly forced: boolean;
  /** The format of an answer that is not a call; undefined if the text must be a call. */
  readonly format: ChatRequest['format'];
  /** Characters of the text, which is held back until its end. */
  readonly maxTextLength: number;
}

/** Turns text that is the JSON of a call into that call. Calls that the model makes by itself pass unchanged. */
export function callsFromText(emit: Emit, { names, forced, format, maxTextLength }: TextCalls): Emit {
  const textEvents: ChatEvent[] = [];
  let text = '';
  let called = false;
  const finish = (event: FinishEvent): void => {
    const cut = event.reason === 'length';
    const call = called ? undefined : (readCall(text, names) ?? (cut ? undefined : readBrokenCall(text, names)));
    if (call !== undefined) {
      emit({ type: 'tool-call', id: newCallId(), ...call });
      return emit(cut ? event : { ...event, reason: 'tool_calls' });
    }
    if (forced && !called && !cut) throw notCalled();
    // Half of a call is nothing that a client could use, and its user would read it as the answer.
    const isHalfCall = forced || (cut && beginsAsCall(text, names, format));
    if (!isHalfCall) for (const textEvent of textEvents) emit(textEvent);
    emit(event);
  };
  return (event) => {
    switch (event.type) {
      case 'text':
        textEvents.push(event);
        text += event.text;
        if (text.length <= maxTextLength) return;
        throw new GatewayError('upstream_protocol_error', 'The JSON that the model writes is too long.');
      case 'tool-call':
        called = true;
        if (forced && !names.includes(event.name)) throw notCalled();
        return emit(event);
      case 'reasoning':
        return emit(event);
      case 'finish':
        return finish(event);
      default:
        event satisfies never;
    }
  };
}

function notCalled(): GatewayError {
  return new GatewayError('upstream_error', 'The model did not call the required tool.');
}
