import { GatewayError } from '../../errors.ts';
import { HeldBytes } from '../../framing/held-bytes.ts';

/** Keeps the bytes of one JSON text until its end. @throws {GatewayError} `upstream_protocol_error` from `push` for more than `maxBytes` */
export class JsonReader {
  readonly #maxBytes: number;
  readonly #onText: (text: string) => void;
  readonly #held = new HeldBytes();

  constructor(maxBytes: number, onText: (text: string) => void) {
    this.#maxBytes = maxBytes;
    this.#onText = onText;
  }

  push(bytes: Uint8Array): void {
    if (this.#held.length + bytes.length > this.#maxBytes) {
      throw new GatewayError('upstream_protocol_error', `The upstream sent more than ${this.#maxBytes} bytes at once.`);
    }
    this.#held.push(bytes);
  }

  end(): void {
    this.#onText(this.#held.take().toString('utf8'));
  }
}
