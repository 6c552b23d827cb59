import type { Message } from '../../chat/request.ts';

/**
 * A history in which every tool call and every result has an id, as these servers want it; Ollama's clients often send
 * none. The ids depend on the history alone, so that the same history stays the same prompt.
 *
 * A result without the id of its call is that of the first call of its turn and tool that has no result yet, or else of
 * the first call without one. Linear in the length of the history.
 */
export function withCallIds(messages: readonly Message[]): Message[] {
  const given = new Set(
    messages.flatMap((message) => (message.role === 'assistant' ? message.toolCalls.map(({ id }) => id) : [])),
  );
  let made = 0;
  const newId = (): string => {
    for (;;) {
      const id = `call_${made}`;
      made += 1;
      if (!given.has(id)) return id;
    }
  };
  let turn = new AssistantTurn();
  return messages.map((message) => {
    if (message.role === 'assistant' && message.toolCalls.length > 0) {
      const toolCalls = message.toolCalls.map((call) => ({ ...call, id: call.id || newId() }));
      turn = new AssistantTurn();
      for (const { id, name } of toolCalls) turn.add({ id, name, answered: false });
      return { ...message, toolCalls };
    }
    if (message.role !== 'tool') return message;
    const call = message.callId === '' ? turn.first(message.name) : turn.withId(message.callId);
    if (call !== undefined) call.answered = true;
    return { ...message, callId: message.callId || (call?.id ?? newId()) };
  });
}

interface Call {
  readonly id: string;
  readonly name: string;
  answered: boolean;
}

/** The calls of one message. */
class AssistantTurn {
  readonly #byId = new Map<string, Call>();
  readonly #byName = new Map<string, Queue>();
  readonly #all = new Queue();

  add(call: Call): void {
    this.#byId.set(call.id, call);
    this.#all.calls.push(call);
    const named = this.#byName.get(call.name) ?? new Queue();
    this.#byName.set(call.name, named);
    named.calls.push(call);
  }

  withId(id: string): Call | undefined {
    return this.#byId.get(id);
  }

  first(name: string | undefined): Call | undefined {
    const named = name === undefined ? undefined : this.#byName.get(name)?.unanswered;
    return named ?? this.#all.unanswered;
  }
}

/** Remembers how far it was answered: to look from the start each time would be quadratic. */
class Queue {
  readonly calls: Call[] = [];
  #answered = 0;

  get unanswered(): Call | undefined {
    while (this.calls[this.#answered]?.answered === true) this.#answered += 1;
    return this.calls[this.#answered];
  }
}
