/** A pseudorandom number generator with a seed. @see https://en.wikipedia.org/wiki/Xorshift */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = (seed ^ 0x9e3779b9) >>> 0 || 1;
  }

  /** @returns a number from 0 up to, but not including, 1 */
  next(): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x >>> 0;
    return this.#state / 2 ** 32;
  }

  /** @returns an integer from 0 up to, but not including, `limit` */
  below(limit: number): number {
    return Math.floor(this.next() * limit);
  }

  /** @returns true with the probability `share` */
  chance(share: number): boolean {
    return this.next() < share;
  }

  /** @returns one of the items */
  of<T>(items: readonly T[]): T {
    const item = items[this.below(items.length)];
    if (item === undefined) throw new Error('nothing to choose from');
    return item;
  }
}
