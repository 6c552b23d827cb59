/** Milliseconds after which a value is read again. */
const maxAge = 2_000;

/**
 * A value that is read when somebody asks for it, at most every two seconds. While it is read again they get the last one, so
 * that only the first one waits for a server that hangs.
 */
export class Cached<T> {
  readonly #read: () => Promise<T>;
  #last: Promise<T> | undefined;
  #readAt = -Infinity;
  #isReading = false;

  /** @param read has a deadline of its own, and never rejects */
  constructor(read: () => Promise<T>) {
    this.#read = read;
  }

  async get(): Promise<T> {
    if (!this.#isReading && performance.now() - this.#readAt >= maxAge) {
      const next = this.#readNow();
      this.#last ??= next;
    }
    return await (this.#last ?? this.#readNow());
  }

  async #readNow(): Promise<T> {
    this.#isReading = true;
    const reading = this.#read();
    const value = await reading;
    this.#last = reading;
    this.#readAt = performance.now();
    this.#isReading = false;
    return value;
  }
}
