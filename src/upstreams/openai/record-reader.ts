import { SseReader } from '../../framing/sse-reader.ts';
import { JsonReader } from './json-reader.ts';

/** @param event the name of the event, if it has one */
export type OnRecord = (json: string, event?: string) => void;

const whitespace: ReadonlySet<number> = new Set([0x09, 0x0a, 0x0d, 0x20]);
const openBrace = 0x7b;
const lessThan = 0x3c;

/**
 * Reads the JSON texts of a response: the data of the events of a stream, or the one object that a server sends which does
 * not stream. The first character tells them apart: no event begins with a brace.
 */
export class RecordReader {
  readonly #maxBytes: number;
  readonly #onRecord: OnRecord;
  #reader: SseReader | JsonReader | undefined;
  /** Undefined until the first character. `html` is read like `sse`, but is the page of a proxy in between. */
  format: 'sse' | 'json' | 'html' | undefined;

  constructor(maxBytes: number, onRecord: OnRecord) {
    this.#maxBytes = maxBytes;
    this.#onRecord = onRecord;
  }

  /** @throws {GatewayError} `upstream_protocol_error` for an event or an object of more than `maxBytes` */
  push(bytes: Uint8Array): void {
    if (this.#reader === undefined) {
      const first = bytes.find((byte) => !whitespace.has(byte));
      if (first === undefined) return;
      this.format = formatOf(first);
      const Reader = this.format === 'json' ? JsonReader : SseReader;
      this.#reader = new Reader(this.#maxBytes, this.#onRecord);
    }
    this.#reader.push(bytes);
  }

  /** Reads what is left as the last record. */
  end(): void {
    this.#reader?.end();
  }
}

function formatOf(first: number): 'sse' | 'json' | 'html' {
  if (first === openBrace) return 'json';
  return first === lessThan ? 'html' : 'sse';
}
