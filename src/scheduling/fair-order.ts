import type { Entry } from './entry.ts';
import { RoundRobin } from './round-robin.ts';

/**
 * The order in which requests should start if models cost nothing to swap: interactive ones before batch ones, but of
 * every `batchShare` turns at least one for a batch request while one is waiting; each class in deficit round robin.
 */
export class FairOrder {
  readonly #classes: Readonly<Record<Entry['work']['priority'], RoundRobin>>;
  readonly #batchShare: number;
  /** Turns of interactive requests since a batch request had to wait for them. */
  #sinceBatch = 0;

  constructor(quantum: number, batchShare: number) {
    this.#classes = { interactive: new RoundRobin(quantum), batch: new RoundRobin(quantum) };
    this.#batchShare = batchShare;
  }

  add(entry: Entry): void {
    this.#classOf(entry).add(entry);
  }

  remove(entry: Entry): void {
    this.#classOf(entry).remove(entry);
  }

  /** Whose turn it is. */
  head(): Entry | undefined {
    const { interactive, batch } = this.#classes;
    return (this.#batchIsDue() ? batch.head() : interactive.head()) ?? batch.head();
  }

  /** Takes the head out, at the expense of its key. */
  take(entry: Entry): void {
    this.#classOf(entry).take(entry);
    const waited = entry.work.priority === 'interactive' && !this.#classes.batch.empty;
    this.#sinceBatch = waited ? this.#sinceBatch + 1 : 0;
  }

  /** Charges the key of a taken entry for what it cost more than it was taken for. */
  settle(entry: Entry, more: number): void {
    this.#classOf(entry).settle(entry.work.key, more);
  }

  /** All who wait, in order as far as it is known now. O(n log n). */
  ranking(): Entry[] {
    const interactive = this.#classes.interactive.ranking();
    const ranked: Entry[] = [];
    let passed = 0;
    let turns = this.#sinceBatch;
    for (const entry of this.#classes.batch.ranking()) {
      const due = passed + Math.max(0, this.#batchShare - 1 - turns);
      ranked.push(...interactive.slice(passed, due), entry);
      passed = Math.min(due, interactive.length);
      turns = 0;
    }
    return [...ranked, ...interactive.slice(passed)];
  }

  #batchIsDue(): boolean {
    return this.#sinceBatch >= this.#batchShare - 1 && !this.#classes.batch.empty;
  }

  #classOf(entry: Entry): RoundRobin {
    return this.#classes[entry.work.priority];
  }
}
