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
  readonly #takeLines: (lines: Buffer) => number;
  /** The beginning of a line whose end is in another piece. */
  readonly #held = new HeldBytes();

  /** @param takeLines is shown whole lines before they are split. @returns how many bytes of them need not be */
  constructor(maxBytes: number, onLine: (line: string) => void, takeLines: (lines: Buffer) => number = () => 0) {
    this.#maxBytes = maxBytes;
    this.#onLine = onLine;
    this.#takeLines = takeLines;
  }

  push(bytes: Buffer): void {
    const start = this.#held.length > 0 ? this.#finishLine(bytes) : 0;
    const end = Math.max(start, bytes.lastIndexOf(newline) + 1);
    if (end - start === bytes.length) return this.#read(bytes);
    if (end > start) this.#read(bytes.subarray(start, end));
    if (end < bytes.length) this.#hold(bytes.subarray(end));
  }

  /** Takes what is left as the last line: a final newline is optional. */
  end(): void {
    if (this.#held.length > 0) this.#release(this.#held.take());
  }

  /** @returns where the line ends that began in another piece */
  #finishLine(bytes: Buffer): number {
    const end = bytes.indexOf(newline);
    if (end === -1) {
      this.#hold(bytes);
      return bytes.length;
    }
    this.#hold(bytes.subarray(0, end));
    this.#release(this.#held.take());
    return end + 1;
  }

  #hold(bytes: Buffer): void {
    this.#check(this.#held.length + bytes.length);
    this.#held.push(bytes);
  }

  #check(length: number): void {
    if (length <= this.#maxBytes) return;
    this.#held.take();
    throw new GatewayError('upstream_protocol_error', `The upstream sent a line of more than ${this.#maxBytes} bytes.`);
  }

  /** @param lines each with its end, so that no character is cut in two */
  #read(lines: Buffer): void {
    // Where all together are not too long, no line is.
    if (lines.length > this.#maxBytes) return this.#readChecked(lines);
    const taken = this.#takeLines(lines);
    if (taken === lines.length) return;
    const text = lines.toString('utf8', taken);
    for (let start = 0; start < text.length;) {
      const end = text.indexOf('\n', start);
      const line = text.slice(start, end);
      start = end + 1;
      if (!isBlank(line)) this.#onLine(line);
    }
  }

  #readChecked(lines: Buffer): void {
    for (let start = 0; start < lines.length;) {
      const end = lines.indexOf(newline, start);
      this.#check(end - start);
      const line = lines.subarray(start, end);
      start = end + 1;
      this.#release(line);
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
