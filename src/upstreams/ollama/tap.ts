import type { Total } from '../../chat/stream.ts';
import { isObject } from '../../framing/json.ts';
import { counted } from './counted.ts';

const newline = 0x0a;
/** Bytes of a last line that are looked at; an embedding answer beyond that goes uncounted. */
const maxBytes = 1024 * 1024;

/** Reads along an answer that is relayed untouched: only its last line is kept, for what Ollama counted. */
export class OllamaTap {
  #pieces: Buffer[] = [];
  #bytes = 0;
  #lineEnded = false;

  push(chunk: Uint8Array): void {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    const start = bytes.length > 1 ? bytes.lastIndexOf(newline, bytes.length - 2) + 1 : 0;
    if (this.#lineEnded || start > 0) {
      this.#pieces = [];
      this.#bytes = 0;
    }
    this.#lineEnded = bytes.at(-1) === newline;
    this.#bytes += bytes.length - start;
    if (this.#bytes <= maxBytes) this.#pieces.push(bytes.subarray(start));
    else this.#pieces = [];
  }

  /** @returns what the answer's last line counted, and whether it was an error line */
  end(): { finish?: Total; failed: boolean } {
    let line: unknown;
    try {
      line = JSON.parse(Buffer.concat(this.#pieces).toString('utf8'));
    } catch {
      return { failed: false };
    }
    if (!isObject(line)) return { failed: false };
    return { failed: line['error'] !== undefined, ...('total_duration' in line && { finish: counted(line) }) };
  }
}
