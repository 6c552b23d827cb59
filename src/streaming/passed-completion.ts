import type { ChatEvent, ToolCallEvent } from '../chat/event.ts';
import { isObject, textIn } from '../framing/json.ts';
import { type Mending, finishOf, parsed, reasonOf } from './passed-calls.ts';

/**
 * Mends the tool calls of a whole chat completion.
 *
 * @returns the same text if there is nothing to mend
 */
export function mendedWhole(json: string, mending: Mending): string {
  const body = parsed(json);
  const choices = isObject(body) ? body['choices'] : undefined;
  const choice: unknown = Array.isArray(choices) && choices.length === 1 ? choices[0] : undefined;
  const message = isObject(choice) ? choice['message'] : undefined;
  if (!isObject(body) || !isObject(choice) || !isObject(message)) return json;
  const calls = callsIn(message['tool_calls']);
  if (calls === undefined) return json;
  const emitted: ChatEvent[] = [];
  const stage = mending((event) => emitted.push(event));
  const content = textIn(message['content']);
  if (content !== '') stage({ type: 'text', text: content });
  for (const call of calls) stage(call);
  const given = textIn(choice['finish_reason']);
  stage(finishOf(reasonOf(given, calls.length > 0)));
  const texts = emitted.flatMap((event) => (event.type === 'text' ? [event.text] : [])).join('');
  const made = emitted.filter((event) => event.type === 'tool-call');
  if (texts === content && JSON.stringify(made) === JSON.stringify(calls)) return json;
  const toolCalls = made.map(({ id, name, arguments: args }) => ({
    id,
    type: 'function',
    function: { name, arguments: args },
  }));
  const changed = {
    ...choice,
    message: { ...message, content: texts === '' ? null : texts, tool_calls: toolCalls },
    finish_reason: given === 'stop' ? 'tool_calls' : given,
  };
  return JSON.stringify({ ...body, choices: [changed] });
}

/** @returns undefined for calls that are not functions with texts as arguments */
function callsIn(value: unknown): ToolCallEvent[] | undefined {
  if (value == null) return [];
  if (!Array.isArray(value)) return undefined;
  const calls: ToolCallEvent[] = [];
  for (const call of value) {
    const called = isObject(call) ? call['function'] : undefined;
    if (!isObject(call) || !isObject(called) || typeof called['arguments'] !== 'string') return undefined;
    const { name, arguments: args } = called;
    calls.push({ type: 'tool-call', id: textIn(call['id']), name: textIn(name), arguments: args });
  }
  return calls;
}
