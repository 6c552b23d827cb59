import type { Entry } from './entry.ts';
import { LinkedList, type Node } from './linked-list.ts';

interface Flow {
  readonly key: string;
  weight: number;
  /** Tokens it may still use in this lap; below 0 what it owes to later laps. */
  deficit: number;
  readonly entries: LinkedList<Entry>;
}

interface Debt {
  readonly deficit: number;
  /** When it was incurred. */
  readonly lap: number;
}

/** Keys without a waiting request whose debts are remembered. With more of them all are forgiven. */
const maxDebtors = 10_000;

/**
 * Deficit round robin over keys: each lap gives a key `quantum` tokens for each unit of its weight, and it is served
 * while it has any left. The last request of a turn may cost more than was left, since real costs show only at the
 * end: what it owes is paid in later laps. Of two keys of equal weight that both have requests waiting, neither gets
 * more than `quantum` and the costliest request ahead of the other.
 *
 * `head` takes O(keys) at worst, when all of them owe: it then skips the laps in which nobody is served.
 *
 * @see https://doi.org/10.1145/217391.217453 (Shreedhar and Varghese, Efficient Fair Queuing using Deficit Round Robin)
 */
export class RoundRobin {
  readonly #quantum: number;
  readonly #flows = new Map<string, Node<Flow>>();
  readonly #ring = new LinkedList<Flow>();
  readonly #debts = new Map<string, Debt>();
  #laps = 0;

  constructor(quantum: number) {
    this.#quantum = quantum;
  }

  get empty(): boolean {
    return this.#ring.size === 0;
  }

  add(entry: Entry): void {
    const { key, weight } = entry.work;
    const place = this.#flows.get(key) ?? this.#join(key, weight);
    place.value.weight = weight;
    entry.turn = place.value.entries.push(entry);
  }

  /** Takes an entry out for which its key pays nothing. */
  remove(entry: Entry): void {
    const place = this.#flows.get(entry.work.key);
    if (place === undefined || entry.turn === undefined) return;
    place.value.entries.remove(entry.turn);
    entry.turn = undefined;
    if (place.value.entries.size === 0) this.#leave(place);
  }

  /** Whose turn it is. Stays the same until it is taken or removed. */
  head(): Entry | undefined {
    for (let passed = 0; ; passed += 1) {
      const place = this.#ring.first;
      if (place === undefined) return undefined;
      const flow = place.value;
      if (flow.deficit > 0) return flow.entries.first?.value;
      if (passed === this.#ring.size) this.#skipLaps();
      flow.deficit += this.#quantum * flow.weight;
      this.#laps += 1 / this.#ring.size;
      this.#ring.moveToBack(place);
    }
  }

  /** Takes the head out, at the expense of its key. */
  take(entry: Entry): void {
    const place = this.#flows.get(entry.work.key);
    if (place !== undefined) place.value.deficit -= entry.cost;
    this.remove(entry);
  }

  /** Charges a key for what a request cost more than it was taken for; gives back where that is below 0. */
  settle(key: string, more: number): void {
    const flow = this.#flows.get(key)?.value;
    if (flow !== undefined) flow.deficit -= more;
    // With nobody waiting nothing is owed to anyone.
    else if (!this.empty) this.#owe(key, (this.#debts.get(key)?.deficit ?? 0) - more);
  }

  /** The waiting in the order of their turns, if nobody comes or leaves and costs are as known now. O(n log n). */
  ranking(): Entry[] {
    const turns: { readonly entry: Entry; readonly lap: number }[] = [];
    for (const flow of this.#ring) {
      const share = this.#quantum * flow.weight;
      let owed = -flow.deficit;
      for (const entry of flow.entries) {
        const lap = owed < 0 ? 0 : Math.floor(owed / share) + 1;
        if (entry.state === 'waiting') turns.push({ entry, lap });
        owed += entry.cost;
      }
    }
    // Within a lap the keys follow in the order of the ring: sorting is stable.
    return turns.toSorted((a, b) => a.lap - b.lap).map(({ entry }) => entry);
  }

  #join(key: string, weight: number): Node<Flow> {
    const debt = this.#debts.get(key);
    const share = this.#quantum * weight;
    const owed = debt === undefined ? 0 : Math.min(0, debt.deficit + (this.#laps - debt.lap) * share);
    this.#debts.delete(key);
    const place = this.#ring.push({ key, weight, deficit: owed + share, entries: new LinkedList() });
    this.#flows.set(key, place);
    return place;
  }

  #leave(place: Node<Flow>): void {
    const { key, deficit } = place.value;
    this.#ring.remove(place);
    this.#flows.delete(key);
    if (this.empty) this.#debts.clear();
    else this.#owe(key, deficit);
  }

  #owe(key: string, deficit: number): void {
    this.#debts.delete(key);
    if (deficit >= 0) return;
    if (this.#debts.size >= maxDebtors) this.#debts.clear();
    this.#debts.set(key, { deficit, lap: this.#laps });
  }

  /** Gives everyone the laps in which all of them would only pay what they owe, but for the last. */
  #skipLaps(): void {
    let laps = Infinity;
    for (const { deficit, weight } of this.#ring) {
      laps = Math.min(laps, Math.floor(-deficit / (this.#quantum * weight)));
    }
    if (laps < 1) return;
    for (const flow of this.#ring) flow.deficit += laps * this.#quantum * flow.weight;
    this.#laps += laps;
  }
}
