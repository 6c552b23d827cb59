/** A member of a bag. */
export interface SwapListEntry<T> {
  readonly item: T;
  index: number;
}

/**
 * What is there now, in no order. For what comes and goes with every request: each time that a Set outgrows its table, V8
 * keeps the old one, and all that was in it, until everything is collected.
 */
export class SwapList<T> {
  readonly #held: SwapListEntry<T>[] = [];

  get size(): number {
    return this.#held.length;
  }

  add(item: T): SwapListEntry<T> {
    const held = { item, index: this.#held.length };
    this.#held.push(held);
    return held;
  }

  /** @param held in this bag */
  remove(held: SwapListEntry<T>): void {
    const last = this.#held.pop();
    if (last === undefined || last === held) return;
    last.index = held.index;
    this.#held[held.index] = last;
  }

  /** Those that are there when it is asked. */
  get items(): T[] {
    return this.#held.map(({ item }) => item);
  }
}
