import { inCallOrder } from '../../chat/history/tool-results.ts';
import { isObject } from '../../framing/json.ts';
import { DroppedFields } from '../dropped-fields.ts';
import { fieldOf } from './body.ts';
import { readMessages } from './chat/messages.ts';

/**
 * True for a history that an Ollama server refuses, or that its templates show to the model in a misleading way: content that
 * is not a string, arguments that are not an object, a system message after others, or results of tools in another order than
 * their calls. The body of such a request is translated instead of passed on.
 */
export function hasOddHistory(body: unknown): boolean {
  const messages = fieldOf(body, 'messages');
  if (!Array.isArray(messages)) return false;
  let hasBegun = false;
  let results = 0;
  for (const message of messages as unknown[]) {
    // Items that are not messages are refused in any case.
    if (!isObject(message)) return false;
    const { role, content, tool_calls: calls } = message;
    if (role === 'system' && hasBegun) return true;
    if (role !== 'system') hasBegun = true;
    if (role === 'tool') results += 1;
    if (content != null && typeof content !== 'string') return true;
    if (Array.isArray(calls) && calls.some(hasOddArguments)) return true;
  }
  if (results < 2) return false;
  const read = readMessages(messages, new DroppedFields());
  return inCallOrder(read) !== read;
}

/** Ollama takes an absent object. */
function hasOddArguments(call: unknown): boolean {
  const called = isObject(call) ? call['function'] : undefined;
  return isObject(called) && called['arguments'] != null && !isObject(called['arguments']);
}
