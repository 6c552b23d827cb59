import { GatewayError } from '../errors.ts';

const newline = 0x0a;

/**
 * Splits bytes into the lines of an NDJSON stream, whatever way they were cut: a character cut in two is put together
 * before it is decoded. Blank lines are skipped; bytes that are not UTF-8 become U+FFFD.
 *
 * @throws {GatewayError} `upstream_protocol_error` from `push` for a line of more than `maxBytes`.
 */
export class LineSplitter {
  readonly #maxBytes: number;
  readonly #onLine: (line: string) => void;
  /** Pieces of the unfinished line. Joined once, when it ends: joining at each push is O(n²) for a line in many pieces. */
  #pieces: Buffer[] = [];
  #heldBytes = 0;

  constructor(maxBytes: number, onLine: (line: string) => void) {
    this.#maxBytes = maxBytes;
    this.#onLine = onLine;
  }

  push(chunk: Uint8Array): void {
    const bytes = Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    let start = 0;
    for (let end = bytes.indexOf(newline); end !== -1; end = bytes.indexOf(newline, start)) {
      this.#hold(bytes, start, end);
      this.#release();
      start = end + 1;
    }
    if (start < bytes.length) this.#hold(bytes, start, bytes.length);
  }

  /** Takes what is left as the last line: a final newline is optional. */
  end(): void {
    if (this.#heldBytes > 0) this.#release();
  }

  #hold(bytes: Buffer, start: number, end: number): void {
    this.#heldBytes += end - start;
    if (this.#heldBytes > this.#maxBytes) {
      this.#pieces = [];
      throw new GatewayError(
        'upstream_protocol_error',
        `The upstream sent a line of more than ${this.#maxBytes} bytes.`,
      );
    }
    this.#pieces.push(bytes.subarray(start, end));
  }

  #release(): void {
    const [only] = this.#pieces;
    const line = this.#pieces.length === 1 && only !== undefined ? only : Buffer.concat(this.#pieces);
    this.#pieces = [];
    this.#heldBytes = 0;
    const text = line.toString('utf8');
    if (text.trim() !== '') this.#onLine(text);
  }
}
