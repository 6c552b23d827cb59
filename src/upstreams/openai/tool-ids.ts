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
  let calls = new MessageCalls();
  return messages.map((message) => {
    if (message.role === 'assistant' && message.toolCalls.length > 0) {
      calls = new MessageCalls();
      const used = new Set<string>();
      const toolCalls = message.toolCalls.map((call) => {
        const id = call.id === '' || used.has(call.id) ? newId() : call.id;
        used.add(id);
        calls.add({ id, given: call.id, name: call.name, answered: false });
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
  /** The client's id, which several calls of one message may have. */
  readonly given: string;
  readonly name: string;
  answered: boolean;
}

/** The tool calls of one assistant message. */
class MessageCalls {
  readonly #byId = new Map<string, CallQueue>();
  readonly #byName = new Map<string, CallQueue>();
  readonly #all = new CallQueue();

  add(call: Call): void {
    this.#all.calls.push(call);
    queueOf(this.#byId, call.given).calls.push(call);
    queueOf(this.#byName, call.name).calls.push(call);
  }

  withId(id: string): Call | undefined {
    const queue = this.#byId.get(id);
    return queue?.firstUnanswered ?? queue?.calls.at(-1);
  }

  get firstWithoutId(): Call | undefined {
    return this.#byId.get('')?.firstUnanswered;
  }

  firstUnanswered(name: string | undefined): Call | undefined {
    const sameName = name === undefined ? undefined : this.#byName.get(name)?.firstUnanswered;
    return sameName ?? this.#all.firstUnanswered;
  }
}

function queueOf(queues: Map<string, CallQueue>, key: string): CallQueue {
  const queue = queues.get(key) ?? new CallQueue();
  queues.set(key, queue);
  return queue;
}

/** Remembers up to where all calls are answered: a search from the start each time would be quadratic. */
class CallQueue {
  readonly calls: Call[] = [];
  #answered = 0;

  get firstUnanswered(): Call | undefined {
    while (this.calls[this.#answered]?.answered === true) this.#answered += 1;
    return this.calls[this.#answered];
  }
}
