import { GatewayError } from '../errors.ts';
import { HeldBytes } from './held-bytes.ts';

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
  /** The beginning of a line whose end is in another piece. */
  readonly #held = new HeldBytes();

  constructor(maxBytes: number, onLine: (line: string) => void) {
    this.#maxBytes = maxBytes;
    this.#onLine = onLine;
  }

  push(chunk: Uint8Array): void {
    const bytes = Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    let start = 0;
    for (let end = bytes.indexOf(newline); end !== -1; end = bytes.indexOf(newline, start)) {
      this.#check(end - start);
      const rest = bytes.subarray(start, end);
      start = end + 1;
      if (this.#held.length === 0) {
        this.#release(rest);
        continue;
      }
      this.#held.push(rest);
      this.#release(this.#held.take());
    }
    if (start === bytes.length) return;
    this.#check(bytes.length - start);
    this.#held.push(bytes.subarray(start));
  }

  /** Takes what is left as the last line: a final newline is optional. */
  end(): void {
    if (this.#held.length > 0) this.#release(this.#held.take());
  }

  #check(more: number): void {
    if (this.#held.length + more <= this.#maxBytes) return;
    this.#held.take();
    throw new GatewayError('upstream_protocol_error', `The upstream sent a line of more than ${this.#maxBytes} bytes.`);
  }

  #release(line: Buffer): void {
    const text = line.toString('utf8');
    if (text.trim() !== '') this.#onLine(text);
  }
}
