import type { UsageObserver, StreamOutcome, TotalUsage } from '../../chat/stream.ts';
import type { JsonObject } from '../../chat/request.ts';
import { isObject } from '../../framing/json.ts';
import { readUsage } from './usage.ts';

const newline = 0x0a;
/** Bytes of a line that are kept as they are: one that is longer is outlined as it comes. */
const maxBytes = 64 * 1024;

/** Reads along an answer that is relayed untouched: only its last line is kept, for what Ollama counted. */
export class OllamaUsageObserver implements UsageObserver {
  /** Of what is no longer kept of the line. */
  #outline: Outline | undefined;
  #pieces: Buffer[] = [];
  #bytes = 0;
  #lineEnded = true;

  push(bytes: Buffer): void {
    const start = bytes.length > 1 ? bytes.lastIndexOf(newline, bytes.length - 2) + 1 : 0;
    if (this.#lineEnded || start > 0) {
      this.#outline = undefined;
      this.#pieces = [];
      this.#bytes = 0;
    }
    this.#lineEnded = bytes.at(-1) === newline;
    this.#pieces.push(bytes.subarray(start));
    this.#bytes += bytes.length - start;
    if (this.#bytes > maxBytes) this.#outline = this.#folded();
  }

  /** @returns what the answer's last line counted, and what it says of the end */
  end(): { finish?: TotalUsage; outcome: StreamOutcome } {
    let line: unknown;
    try {
      line = JSON.parse(this.#folded().text);
    } catch {
      // Not every answer is JSON, but one that is ends with its line.
      return { outcome: this.#lineEnded ? 'complete' : 'incomplete' };
    }
    if (!isObject(line)) return { outcome: 'complete' };
    return { outcome: outcomeOf(line), ...('total_duration' in line && { finish: readUsage(line) }) };
  }

  #folded(): Outline {
    const outline = this.#outline ?? new Outline();
    for (const piece of this.#pieces) outline.push(piece);
    this.#pieces = [];
    this.#bytes = 0;
    return outline;
  }
}

function outcomeOf({ error, done }: JsonObject): StreamOutcome {
  if (error !== undefined) return 'failed';
  return done === false ? 'incomplete' : 'complete';
}

const [quote, backslash, openBrace, closeBrace, openBracket, closeBracket] = Buffer.from('"\\{}[]');
/** Bytes of a string that are kept: all of a field's name. */
const maxString = 64;
/** Bytes of an outline: an answer has some twenty fields. */
const maxOutline = 16 * 1024;

/**
 * A JSON object without what its objects and arrays hold, and with the beginnings of its strings: `{"a":{},"n":12}`. Where
 * the counts stand depends on the route, and the model's text may look like them, so the text has to be followed.
 */
class Outline {
  readonly #kept = Buffer.allocUnsafe(maxOutline);
  #length = 0;
  #depth = 0;
  #inString = false;
  #escaped = false;
  /** Bytes that may still be kept of the string. */
  #room = 0;

  /** Not JSON where the object is not whole, or has too much to be kept. */
  get text(): string {
    return this.#length > maxOutline ? '' : this.#kept.toString('utf8', 0, this.#length);
  }

  push(bytes: Buffer): void {
    for (const byte of bytes) {
      if (this.#inString) this.#string(byte);
      else this.#plain(byte);
    }
  }

  #plain(byte: number): void {
    if (byte === closeBrace || byte === closeBracket) this.#depth -= 1;
    // A bracket of a value that is left out belongs to the level around it.
    const outer = this.#depth <= 1;
    if (byte === openBrace || byte === openBracket) this.#depth += 1;
    if (byte === quote) {
      this.#inString = true;
      this.#room = outer ? maxString : 0;
    }
    if (outer) this.#keep(byte);
  }

  #string(byte: number): void {
    if (this.#escaped) {
      this.#escaped = false;
    } else if (byte === quote) {
      this.#inString = false;
      if (this.#depth <= 1) this.#keep(byte);
    } else {
      // Half an escape would not be JSON.
      if (byte === backslash) [this.#escaped, this.#room] = [true, 0];
      if (this.#room > 0) this.#keep(byte);
      this.#room -= 1;
    }
  }

  #keep(byte: number): void {
    if (this.#length < maxOutline) this.#kept[this.#length] = byte;
    this.#length += 1;
  }
}
