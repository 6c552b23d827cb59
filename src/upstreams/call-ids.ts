import { randomBytes } from 'node:crypto';

/** The ids of an answer's tool calls. */
export class CallIds {
  readonly #used = new Set<string>();

  /** How many there are. */
  get size(): number {
    return this.#used.size;
  }

  /** @returns the id that a backend gave, or a new one where it gave none or one that another call has */
  unique(given: unknown): string {
    const id = typeof given === 'string' && given !== '' && !this.#used.has(given) ? given : newCallId();
    this.#used.add(id);
    return id;
  }
}

/** An id for a tool call that has none. */
export function newCallId(): string {
  return `call_${randomBytes(12).toString('hex')}`;
}
