import type { Emit, ToolCallEvent } from '../chat/event.ts';
import type { Tool } from '../chat/request.ts';
import { isObject, parseExact } from '../framing/json.ts';
import { mendArguments } from './mend-arguments.ts';
import type { ToolNames } from './tool-names.ts';

/** Part of a call that was mended: its arguments, its name, or its form, if it came as text. */
export type Mending = 'arguments' | 'name' | 'text';

/**
 * Mends the names and arguments of tool calls, except where a required argument would be missing: the client tells the model what
 * is wrong.
 *
 * @param onMended called for each call that was mended
 */
export function mendCalls(emit: Emit, names: ToolNames, onMended: (what: Mending) => void): Emit {
  const mending: Emit = (event) => emit(event.type === 'tool-call' ? mendCall(event, names, onMended) : event);
  // Texts are not changed, so that they keep their fast path.
  return emit.verbatim === undefined ? mending : Object.assign(mending, { verbatim: emit.verbatim });
}

/** @returns the call itself if nothing can be mended, or nothing has to be */
export function mendCall(
  call: ToolCallEvent,
  names: ToolNames,
  onMended: (what: Mending) => void = () => undefined,
): ToolCallEvent {
  const tool = names.find(call.name);
  const mended = mendArguments(call.arguments);
  const isBetter = mended !== undefined && hasRequired(tool, mended);
  if (isBetter) onMended('arguments');
  if (tool !== undefined && tool.name !== call.name) onMended('name');
  if (!isBetter && (tool === undefined || tool.name === call.name)) return call;
  return { ...call, name: tool?.name ?? call.name, arguments: isBetter ? mended : call.arguments };
}

function hasRequired(tool: Tool | undefined, mended: string): boolean {
  const required = tool?.parameters?.['required'];
  const value: unknown = parseExact(mended);
  if (!Array.isArray(required) || !isObject(value)) return true;
  return required.every((name) => typeof name !== 'string' || Object.hasOwn(value, name));
}
