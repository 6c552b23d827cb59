import { SseReader } from '../../framing/sse-reader.ts';
import { JsonReader } from './json-reader.ts';

/** @param event the name of the event, where it has one */
export type OnRecord = (json: string, event?: string) => void;

const spaces: ReadonlySet<number | undefined> = new Set([0x09, 0x0a, 0x0d, 0x20]);
const brace = 0x7b;
const angle = 0x3c;

/**
 * Reads the JSON texts of an answer: those of the events of a stream, or the one object that servers send which do not
 * stream. Which it is, its first character tells: no event begins with a brace.
 *
 * @throws {GatewayError} `upstream_protocol_error` from `push` for an event or an object of more than `maxBytes`
 */
export class AnswerReader {
  readonly #maxBytes: number;
  readonly #onRecord: OnRecord;
  #reader: SseReader | JsonReader | undefined;
  /** Whether the answer is neither, but a page of something between. */
  isPage = false;

  constructor(maxBytes: number, onRecord: OnRecord) {
    this.#maxBytes = maxBytes;
    this.#onRecord = onRecord;
  }

  push(bytes: Uint8Array): void {
    if (this.#reader === undefined) {
      const first = bytes.find((byte) => !spaces.has(byte));
      if (first === undefined) return;
      this.isPage = first === angle;
      const Reader = first === brace ? JsonReader : SseReader;
      this.#reader = new Reader(this.#maxBytes, this.#onRecord);
    }
    this.#reader.push(bytes);
  }

  /** Whether the answer is one object, not a stream. */
  get whole(): boolean {
    return this.#reader instanceof JsonReader;
  }

  /** Takes what is left as the last record. */
  end(): void {
    this.#reader?.end();
  }
}
