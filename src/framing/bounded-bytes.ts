const none = Buffer.alloc(0);

/**
 * Collects chunks of bytes into one buffer. A single chunk is returned without copying. Several are copied together, so
 * that many small chunks take no more memory than one large chunk.
 */
export class BoundedBytes {
  readonly #maxBytes: number;
  #buffer: Buffer = none;
  #length = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /**
   * Adds a chunk, whose memory must not change afterwards. It is added even when it exceeds the limit, so the memory in
   * use is at most twice the limit and one chunk.
   *
   * @returns false when more than `maxBytes` are collected
   */
  add(chunk: Uint8Array): boolean {
    const length = this.#length + chunk.length;
    if (this.#length === 0) {
      this.#buffer = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length);
    } else {
      if (length > this.#buffer.length) this.#grow(length);
      this.#buffer.set(chunk, this.#length);
    }
    this.#length = length;
    return length <= this.#maxBytes;
  }

  /** Returns all bytes and starts again with none. */
  take(): Buffer {
    const bytes = this.#buffer.subarray(0, this.#length);
    this.#buffer = none;
    this.#length = 0;
    return bytes;
  }

  /** Doubles the capacity: an exact fit would copy all bytes for each chunk, which is quadratic. */
  #grow(length: number): void {
    const larger = Buffer.allocUnsafe(Math.max(length, 2 * this.#buffer.length, 256));
    this.#buffer.copy(larger, 0, 0, this.#length);
    this.#buffer = larger;
  }
}
