const none = Buffer.alloc(0);

/** Bytes of something that is not whole yet. Copied, so that many small pieces take no more room than one large one. */
export class HeldBytes {
  #bytes: Buffer = none;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(piece: Uint8Array): void {
    const needed = this.#length + piece.length;
    if (needed > this.#bytes.length) {
      // Twice as many each time: a copy of all for each piece would be O(n²).
      const larger = Buffer.allocUnsafe(Math.max(needed, 2 * this.#bytes.length, 256));
      this.#bytes.copy(larger, 0, 0, this.#length);
      this.#bytes = larger;
    }
    this.#bytes.set(piece, this.#length);
    this.#length = needed;
  }

  /** All that is held, which is then held no longer. */
  take(): Buffer {
    const whole = this.#bytes.subarray(0, this.#length);
    this.#bytes = none;
    this.#length = 0;
    return whole;
  }
}
