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
    const end = bytes.lastIndexOf(newline) + 1;
    // Where all together are not too long, no line is; and what ends with a line has no character cut in two.
    if (this.#held.length > 0 || bytes.length > this.#maxBytes || end === 0) return this.#pushLines(bytes);
    this.#releaseAll(bytes.toString('utf8', 0, end));
    if (end < bytes.length) this.#held.push(bytes.subarray(end));
  }

  /** Line by line. */
  #pushLines(bytes: Buffer): void {
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

  /** @param text of lines, each with its end */
  #releaseAll(text: string): void {
    for (let start = 0; start < text.length;) {
      const end = text.indexOf('\n', start);
      const line = text.slice(start, end);
      start = end + 1;
      if (!isBlank(line)) this.#onLine(line);
    }
  }

  #release(line: Buffer): void {
    const text = line.toString('utf8');
    if (!isBlank(text)) this.#onLine(text);
  }
}

function isBlank(line: string): boolean {
  // Most lines tell by their first character.
  return !line.startsWith('{') && line.trim() === '';
}
