/** An item's position in a {@link SwapList}. */
export interface SwapListEntry<T> {
  readonly item: T;
  index: number;
}

/**
 * An unordered list with O(1) removal, which swaps the last entry into the gap. Use it instead of a Set for entries
 * that come and go with every request: when a Set outgrows its table, V8 keeps the old table and everything in it until
 * a major GC.
 */
export class SwapList<T> {
  readonly #entries: SwapListEntry<T>[] = [];

  get size(): number {
    return this.#entries.length;
  }

  /** @returns the entry to pass to `remove` */
  add(item: T): SwapListEntry<T> {
    const entry = { item, index: this.#entries.length };
    this.#entries.push(entry);
    return entry;
  }

  /** @param entry an entry of this list */
  remove(entry: SwapListEntry<T>): void {
    const last = this.#entries.pop();
    if (last === undefined || last === entry) return;
    last.index = entry.index;
    this.#entries[entry.index] = last;
  }

  /** A copy of the current items. */
  get items(): T[] {
    return this.#entries.map(({ item }) => item);
  }
}
