import { Calls } from '../../chat/history/calls.ts';
import type { Message } from '../../chat/request.ts';

/**
 * Adds the missing ids of tool calls and tool results: these servers require them, and Ollama's clients often send none. The
 * ids depend only on the history, so that the same history stays the same prompt (for the server's prompt cache).
 *
 * A result without an id belongs to the first call of the preceding assistant message that has the same tool and no result
 * yet, or else to its first call without a result. One with the id of no call belongs to the first call without an id. Takes time in proportion to the length of the history.
 */
export function withCallIds(messages: readonly Message[]): Message[] {
  const given = new Set(
    messages.flatMap((message) => (message.role === 'assistant' ? message.toolCalls.map(({ id }) => id) : [])),
  );
  let generated = 0;
  const newId = (): string => {
    for (;;) {
      const id = `call_${generated}`;
      generated += 1;
      if (!given.has(id)) return id;
    }
  };
  let calls = newCalls();
  return messages.map((message) => {
    if (message.role === 'assistant' && message.toolCalls.length > 0) {
      calls = newCalls();
      const used = new Set<string>();
      const toolCalls = message.toolCalls.map((call) => {
        const id = call.id === '' || used.has(call.id) ? newId() : call.id;
        used.add(id);
        calls.add({ id, answered: false }, call.id, call.name);
        return { ...call, id };
      });
      return { ...message, toolCalls };
    }
    if (message.role !== 'tool') return message;
    const call =
      message.callId === ''
        ? calls.firstUnanswered(message.name)
        : // LiteLLM leaves the ids out of calls, but not out of their results.
          (calls.withId(message.callId) ?? calls.firstWithoutId);
    if (call !== undefined) call.answered = true;
    return { ...message, callId: call?.id ?? (message.callId || newId()) };
  });
}

interface Call {
  readonly id: string;
  answered: boolean;
}

function newCalls(): Calls<Call> {
  return new Calls(({ answered }) => answered);
}
