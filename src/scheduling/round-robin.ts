import type { Entry } from './entry.ts';
import { LinkedList, type Node } from './linked-list.ts';

interface Flow {
  readonly key: string;
  weight: number;
  /** Tokens that the key may still use in this round; when negative, tokens that it owes to later rounds. */
  deficit: number;
  readonly entries: LinkedList<Entry>;
}

interface Debt {
  readonly deficit: number;
  /** The round in which it was incurred. */
  readonly round: number;
}

/** Keys without a waiting request whose debts are remembered. When there are more, all debts are forgiven. */
const maxDebtors = 10_000;

/**
 * Deficit round robin over keys. Each round gives a key `quantum` tokens per unit of its weight, and the key is served
 * while it has any left. Its last request may cost more than was left, because actual costs are known only at the end:
 * later rounds pay for what it owes. Of two keys of equal weight that both have requests waiting, neither gets more
 * than `quantum` plus the costliest request ahead of the other.
 *
 * `head` is O(keys) at worst, when all of them owe tokens: it then skips the rounds in which no key is served.
 *
 * @see https://doi.org/10.1145/217391.217453 (Shreedhar and Varghese, Efficient Fair Queuing using Deficit Round Robin)
 */
export class RoundRobin {
  readonly #quantum: number;
  readonly #nodes = new Map<string, Node<Flow>>();
  readonly #ring = new LinkedList<Flow>();
  readonly #debts = new Map<string, Debt>();
  /** Completed rounds; visiting one of n keys counts as 1/n. */
  #rounds = 0;

  constructor(quantum: number) {
    this.#quantum = quantum;
  }

  get empty(): boolean {
    return this.#ring.size === 0;
  }

  add(entry: Entry): void {
    const { key, weight } = entry.work;
    const node = this.#nodes.get(key) ?? this.#addFlow(key, weight);
    node.value.weight = weight;
    entry.orderNode = node.value.entries.push(entry);
  }

  /** Removes an entry without charging its key. */
  remove(entry: Entry): void {
    const node = this.#nodes.get(entry.work.key);
    if (node === undefined || entry.orderNode === undefined) return;
    node.value.entries.remove(entry.orderNode);
    entry.orderNode = undefined;
    if (node.value.entries.size === 0) this.#removeFlow(node);
  }

  /** @returns the next entry, which stays the head until it is dequeued or removed */
  head(): Entry | undefined {
    for (let visited = 0; ; visited += 1) {
      const node = this.#ring.first;
      if (node === undefined) return undefined;
      const flow = node.value;
      if (flow.deficit > 0) return flow.entries.first?.value;
      if (visited === this.#ring.size) this.#skipRounds();
      flow.deficit += this.#quantum * flow.weight;
      this.#rounds += 1 / this.#ring.size;
      this.#ring.moveToBack(node);
    }
  }

  /** Removes the head and charges its key. */
  dequeue(entry: Entry): void {
    const node = this.#nodes.get(entry.work.key);
    if (node !== undefined) node.value.deficit -= entry.cost;
    this.remove(entry);
  }

  /** Charges a key for tokens beyond those that `dequeue` charged; a negative number gives back. */
  charge(key: string, tokens: number): void {
    const flow = this.#nodes.get(key)?.value;
    if (flow !== undefined) flow.deficit -= tokens;
    // While no other key waits, nothing is owed to any.
    else if (!this.empty) this.#setDebt(key, (this.#debts.get(key)?.deficit ?? 0) - tokens);
  }

  /** @returns the waiting entries in order, if no request comes or leaves and costs are as known now. O(n log n). */
  ranking(): Entry[] {
    const ranked: { readonly entry: Entry; readonly round: number }[] = [];
    for (const flow of this.#ring) {
      const share = this.#quantum * flow.weight;
      let owed = -flow.deficit;
      for (const entry of flow.entries) {
        const round = owed < 0 ? 0 : Math.floor(owed / share) + 1;
        if (entry.state === 'waiting') ranked.push({ entry, round });
        owed += entry.cost;
      }
    }
    // Sorting is stable: within a round, keys keep the order of the ring.
    return ranked.toSorted((a, b) => a.round - b.round).map(({ entry }) => entry);
  }

  #addFlow(key: string, weight: number): Node<Flow> {
    const debt = this.#debts.get(key);
    const share = this.#quantum * weight;
    const owed = debt === undefined ? 0 : Math.min(0, debt.deficit + (this.#rounds - debt.round) * share);
    this.#debts.delete(key);
    const node = this.#ring.push({ key, weight, deficit: owed + share, entries: new LinkedList() });
    this.#nodes.set(key, node);
    return node;
  }

  #removeFlow(node: Node<Flow>): void {
    const { key, deficit } = node.value;
    this.#ring.remove(node);
    this.#nodes.delete(key);
    if (this.empty) this.#debts.clear();
    else this.#setDebt(key, deficit);
  }

  #setDebt(key: string, deficit: number): void {
    this.#debts.delete(key);
    if (deficit >= 0) return;
    if (this.#debts.size >= maxDebtors) this.#debts.clear();
    this.#debts.set(key, { deficit, round: this.#rounds });
  }

  /** Gives every key the rounds in which all keys would only pay what they owe, except the last of them. */
  #skipRounds(): void {
    let rounds = Infinity;
    for (const { deficit, weight } of this.#ring) {
      rounds = Math.min(rounds, Math.floor(-deficit / (this.#quantum * weight)));
    }
    if (rounds < 1) return;
    for (const flow of this.#ring) flow.deficit += rounds * this.#quantum * flow.weight;
    this.#rounds += rounds;
  }
}
