import { JsonScanner } from '../../framing/json-scanner.ts';

const backslash = 0x5c;
/** Bytes of each string that are kept: enough for any field's name. */
const maxStringBytes = 64;
/** Bytes of an outline: a response has about twenty fields. */
const maxBytes = 16 * 1024;

/**
 * A JSON object without the contents of its objects and arrays and with only the beginnings of its strings:
 * `{"a":{},"n":12}`. It finds the token counts of a line of any length in constant memory. The whole text has to be followed,
 * because the counts have no fixed place and the model's text may look like them.
 */
export class JsonOutline {
  readonly #scanner = new JsonScanner();
  readonly #bytes = Buffer.allocUnsafe(maxBytes);
  #length = 0;
  /** Bytes that may still be kept of the current string. */
  #stringBytesLeft = 0;

  /** JSON; something else when the object is incomplete, '' when its outline is too long. */
  get text(): string {
    return this.#length > maxBytes ? '' : this.#bytes.toString('utf8', 0, this.#length);
  }

  push(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; at += 1) this.#next(bytes[at] as number);
  }

  #next(byte: number): void {
    const scanner = this.#scanner;
    const { depth, inString } = scanner;
    scanner.next(byte);
    // The brackets of an object or array belong to the level around it.
    if (depth > 1 && scanner.depth > 1) return;
    if (!inString || !scanner.inString) {
      this.#stringBytesLeft = maxStringBytes;
      return this.#keep(byte);
    }
    // Half an escape would not be JSON, so a string is cut before its first escape.
    if (byte === backslash) this.#stringBytesLeft = 0;
    if (this.#stringBytesLeft === 0) return;
    this.#stringBytesLeft -= 1;
    this.#keep(byte);
  }

  #keep(byte: number): void {
    if (this.#length < maxBytes) this.#bytes[this.#length] = byte;
    this.#length += 1;
  }
}
