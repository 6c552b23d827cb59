/** Items that wait. Their owners take turns; those of one owner come in the order in which they were added. */
export class OwnerQueue<Item extends object> {
  /** The owner whose turn it is comes first. */
  readonly #queues = new Map<string, Set<Item>>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** @returns how many items of this owner wait */
  sizeOf(owner: string): number {
    return this.#queues.get(owner)?.size ?? 0;
  }

  add(owner: string, item: Item): void {
    const queue = this.#queues.get(owner);
    if (queue === undefined) this.#queues.set(owner, new Set([item]));
    else queue.add(item);
    this.#size += 1;
  }

  /** Removes an item, if it still waits. */
  remove(owner: string, item: Item): void {
    const queue = this.#queues.get(owner);
    if (queue?.delete(item) !== true) return;
    this.#size -= 1;
    if (queue.size === 0) this.#queues.delete(owner);
  }

  /** Takes the next item. @returns undefined if none waits */
  next(): Item | undefined {
    const [first] = this.#queues;
    if (first === undefined) return undefined;
    const [owner, queue] = first;
    const [item] = queue;
    this.#queues.delete(owner);
    if (item !== undefined) queue.delete(item);
    // The others first.
    if (queue.size > 0) this.#queues.set(owner, queue);
    this.#size -= 1;
    return item;
  }
}
