import { GatewayError } from '../errors.ts';
import { BoundedBytes } from './bounded-bytes.ts';

const newline = 0x0a;

/**
 * Splits an NDJSON stream at its newlines, however its bytes are cut into chunks. Lines are passed on as bytes, so that a
 * character that was cut in two is whole when it is decoded.
 */
export class LineSplitter {
  readonly #maxBytes: number;
  readonly #onLines: (lines: Buffer) => void;
  /** The beginning of a line whose newline has not arrived yet. */
  #partial: BoundedBytes | undefined;

  /**
   * @param maxBytes the limit for one line, without its newline
   * @param onLines is called with one or more whole lines, each with its newline; the last of the stream may lack it
   */
  constructor(maxBytes: number, onLines: (lines: Buffer) => void) {
    this.#maxBytes = maxBytes;
    this.#onLines = onLines;
  }

  /** @throws {GatewayError} `upstream_protocol_error` for a line of more than `maxBytes` */
  push(bytes: Buffer): void {
    const end = bytes.lastIndexOf(newline) + 1;
    if (end > 0) {
      const lines = bytes.subarray(0, end);
      this.#partial?.add(lines);
      this.#passOn(this.#partial?.take() ?? lines);
      this.#partial = undefined;
    }
    if (end === bytes.length) return;
    this.#partial ??= new BoundedBytes(this.#maxBytes);
    if (!this.#partial.add(bytes.subarray(end))) throw this.#tooLong();
  }

  /** Passes on what is left as the last line: its newline is optional. */
  end(): void {
    if (this.#partial !== undefined) this.#passOn(this.#partial.take());
    this.#partial = undefined;
  }

  #passOn(lines: Buffer): void {
    // No line is longer than all lines together.
    if (lines.length <= this.#maxBytes) return this.#onLines(lines);
    for (let start = 0; start < lines.length;) {
      const end = lines.indexOf(newline, start) + 1;
      if (end - 1 - start > this.#maxBytes) throw this.#tooLong();
      this.#onLines(lines.subarray(start, end));
      start = end;
    }
  }

  #tooLong(): GatewayError {
    return new GatewayError(
      'upstream_protocol_error',
      `The upstream sent a line of more than ${this.#maxBytes} bytes.`,
    );
  }
}

/** Splits text at its newlines. Blank lines are left out. @param start index of the first character */
export function splitLines(text: string, start = 0): string[] {
  return text
    .slice(start)
    .split('\n')
    .filter((line) => line.trim() !== '');
}
