import type { Entry } from './entry.ts';
import { RoundRobin } from './round-robin.ts';

/**
 * The order in which requests should start if loading models took no time. Interactive requests come before batch
 * requests, but of every `batchShare` requests at least one is a batch request while any is waiting. Each priority is
 * ordered by deficit round robin.
 */
export class FairOrder {
  readonly #priorities: Readonly<Record<Entry['work']['priority'], RoundRobin>>;
  #batchShare: number;
  /** Interactive requests dequeued in a row while a batch request was waiting. */
  #sinceBatch = 0;

  constructor(quantum: number, batchShare: number) {
    this.#priorities = { interactive: new RoundRobin(quantum), batch: new RoundRobin(quantum) };
    this.#batchShare = batchShare;
  }

  /** Replaces the share of batch requests. */
  use(batchShare: number): void {
    this.#batchShare = batchShare;
  }

  add(entry: Entry): void {
    this.#orderOf(entry).add(entry);
  }

  remove(entry: Entry): void {
    this.#orderOf(entry).remove(entry);
  }

  /** @returns the next entry, which stays in the order */
  head(): Entry | undefined {
    const { interactive, batch } = this.#priorities;
    const batchIsDue = this.#sinceBatch >= this.#batchShare - 1 && !batch.empty;
    return (batchIsDue ? batch.head() : interactive.head()) ?? batch.head();
  }

  /** Removes the head and charges its key. */
  dequeue(entry: Entry): void {
    this.#orderOf(entry).dequeue(entry);
    const batchWaited = entry.work.priority === 'interactive' && !this.#priorities.batch.empty;
    this.#sinceBatch = batchWaited ? this.#sinceBatch + 1 : 0;
  }

  /** Charges the key of a dequeued entry for tokens beyond those it was charged for; a negative number gives back. */
  charge(entry: Entry, tokens: number): void {
    this.#orderOf(entry).charge(entry.work.key, tokens);
  }

  /** @returns all waiting entries, in the order as far as it is known now. O(n log n). */
  ranking(): Entry[] {
    const interactive = this.#priorities.interactive.ranking();
    const ranked: Entry[] = [];
    let passed = 0;
    let sinceBatch = this.#sinceBatch;
    for (const entry of this.#priorities.batch.ranking()) {
      const due = passed + Math.max(0, this.#batchShare - 1 - sinceBatch);
      ranked.push(...interactive.slice(passed, due), entry);
      passed = Math.min(due, interactive.length);
      sinceBatch = 0;
    }
    return [...ranked, ...interactive.slice(passed)];
  }

  #orderOf(entry: Entry): RoundRobin {
    return this.#priorities[entry.work.priority];
  }
}
