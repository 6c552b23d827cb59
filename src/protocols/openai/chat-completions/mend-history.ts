import type { JsonObject, Message } from '../../../chat/request.ts';
import { inCallOrder } from '../../../chat/history/tool-results.ts';
import { type JsonLimits, countValues } from '../../../framing/depth.ts';
import { isObject } from '../../../framing/json.ts';
import { ToolCallReader } from '../../tool-calls.ts';

/**
 * Mends what no server can use in the history of a body that is passed on: arguments of tool calls that are not the JSON of
 * an object, at which vLLM and llama.cpp fail, and results of parallel calls in another order than the calls. All other
 * fields stay as they are.
 *
 * @returns undefined for a body that can stay
 */
export function mendHistory(body: JsonObject): JsonObject | undefined {
  const { messages } = body;
  if (!Array.isArray(messages)) return undefined;
  const calls = new ToolCallReader();
  const limits = { ...argumentLimits };
  const hasObject = (call: unknown): boolean => hasUsableObject(call, limits);
  let isMended = false;
  let results = 0;
  const mended = messages.map((message: unknown) => {
    if (!isObject(message)) return message;
    if (message['role'] === 'tool') results += 1;
    const { tool_calls: toolCalls } = message;
    if (!Array.isArray(toolCalls) || toolCalls.every(hasObject)) return message;
    isMended = true;
    return {
      ...message,
      tool_calls: toolCalls.map((call: unknown) => (hasObject(call) ? call : withObject(call, calls))),
    };
  });
  const ordered = results > 1 ? inOrder(mended) : undefined;
  return isMended || ordered !== undefined ? { ...body, messages: ordered ?? mended } : undefined;
}

/** Limits of the arguments of all calls, into which the limits of the body do not look: they are a text. */
const argumentLimits = { depth: 128, values: 200_000, fields: 10_000 };

/**
 * True for a call whose arguments are the JSON of an object, for arguments beyond the limits, which would take too long to
 * parse, and for anything but a call of a function.
 *
 * @param limits the values of these arguments are subtracted from it
 */
function hasUsableObject(call: unknown, limits: JsonLimits & { values: number }): boolean {
  if (!isObject(call) || !isObject(call['function'])) return true;
  const { arguments: text } = call['function'];
  if (typeof text !== 'string') return false;
  const trimmed = text.trim();
  if (!trimmed.startsWith('{') || !trimmed.endsWith('}')) return false;
  const values = countValues(Buffer.from(text), limits);
  if (typeof values === 'string') return true;
  limits.values -= values;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function withObject(call: unknown, calls: ToolCallReader): unknown {
  if (!isObject(call) || !isObject(call['function'])) return call;
  const { function: called } = call;
  const args = JSON.stringify(calls.readArguments(called['arguments']));
  return { ...call, function: { ...called, arguments: args } };
}

/** @returns undefined when the results have the order of their calls, or cannot be given one without a change */
function inOrder(messages: readonly unknown[]): unknown[] | undefined {
  const originals = new Map<Message, unknown>();
  const stubs = messages.map((message) => {
    const stub = stubOf(message);
    originals.set(stub, message);
    return stub;
  });
  const ordered = inCallOrder(stubs);
  const isPermutation = ordered.length === stubs.length && ordered.every((stub) => originals.has(stub));
  return ordered === stubs || !isPermutation ? undefined : ordered.map((stub) => originals.get(stub));
}

/** As much of a message as its order depends on. */
function stubOf(message: unknown): Message {
  const fields = isObject(message) ? message : {};
  const id = fields['tool_call_id'];
  if (fields['role'] === 'tool' && typeof id === 'string') {
    return { role: 'tool', text: '', callId: id, name: undefined };
  }
  const calls: readonly unknown[] = Array.isArray(fields['tool_calls']) ? fields['tool_calls'] : [];
  const toolCalls = calls.filter(isObject).map((call) => ({ id: String(call['id']), name: '', arguments: {} }));
  return { role: 'assistant', text: '', reasoning: '', toolCalls };
}
