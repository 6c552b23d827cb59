import { GatewayError } from '../../errors.ts';

/** Keeps the bytes of one JSON text until its end. @throws {GatewayError} `upstream_protocol_error` from `push` for more than `maxBytes` */
export class JsonReader {
  readonly #maxBytes: number;
  readonly #onText: (text: string) => void;
  readonly #pieces: Uint8Array[] = [];
  #bytes = 0;

  constructor(maxBytes: number, onText: (text: string) => void) {
    this.#maxBytes = maxBytes;
    this.#onText = onText;
  }

  push(bytes: Uint8Array): void {
    this.#bytes += bytes.length;
    if (this.#bytes > this.#maxBytes) {
      throw new GatewayError('upstream_protocol_error', `The upstream sent more than ${this.#maxBytes} bytes at once.`);
    }
    this.#pieces.push(bytes);
  }

  end(): void {
    this.#onText(Buffer.concat(this.#pieces).toString('utf8'));
  }
}
