/**
 * Finds the calls of one message of the assistant that have no result yet. Each search continues where the one before ended:
 * a search from the start would be quadratic.
 */
export class Calls<Call> {
  readonly #isAnswered: (call: Call) => boolean;
  readonly #byId = new Map<string, Queue<Call>>();
  readonly #byName = new Map<string, Queue<Call>>();
  readonly #all: Queue<Call>;

  /** @param isAnswered once true for a call, it stays true */
  constructor(isAnswered: (call: Call) => boolean) {
    this.#isAnswered = isAnswered;
    this.#all = new Queue(isAnswered);
  }

  /** @param id as the client sent it: several calls may have the same, or '' */
  add(call: Call, id: string, name: string): void {
    this.#all.calls.push(call);
    this.#queueOf(this.#byId, id).calls.push(call);
    this.#queueOf(this.#byName, name).calls.push(call);
  }

  /** @returns the first call with an id that has no result yet, or else the last one */
  withId(id: string): Call | undefined {
    const queue = this.#byId.get(id);
    return queue?.firstUnanswered ?? queue?.calls.at(-1);
  }

  /** @returns the first call without an id that has no result yet */
  get firstWithoutId(): Call | undefined {
    return this.#byId.get('')?.firstUnanswered;
  }

  /** @returns the first call of this tool that has no result yet, or else of any */
  firstUnanswered(name: string | undefined): Call | undefined {
    const sameName = name === undefined ? undefined : this.#byName.get(name)?.firstUnanswered;
    return sameName ?? this.#all.firstUnanswered;
  }

  #queueOf(queues: Map<string, Queue<Call>>, key: string): Queue<Call> {
    const queue = queues.get(key) ?? new Queue(this.#isAnswered);
    queues.set(key, queue);
    return queue;
  }
}

class Queue<Call> {
  readonly calls: Call[] = [];
  readonly #isAnswered: (call: Call) => boolean;
  /** All calls before this index are answered. */
  #answered = 0;

  constructor(isAnswered: (call: Call) => boolean) {
    this.#isAnswered = isAnswered;
  }

  get firstUnanswered(): Call | undefined {
    for (; this.#answered < this.calls.length; this.#answered += 1) {
      const call = this.calls[this.#answered];
      if (call !== undefined && !this.#isAnswered(call)) return call;
    }
    return undefined;
  }
}
