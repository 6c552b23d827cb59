import { GatewayError } from '../../errors.ts';
import { BoundedBytes } from '../../framing/bounded-bytes.ts';

/** Collects the bytes of one JSON text until its end. */
export class JsonReader {
  readonly #maxBytes: number;
  readonly #onText: (text: string) => void;
  readonly #bytes: BoundedBytes;

  constructor(maxBytes: number, onText: (text: string) => void) {
    this.#maxBytes = maxBytes;
    this.#onText = onText;
    this.#bytes = new BoundedBytes(maxBytes);
  }

  /** @throws {GatewayError} `upstream_protocol_error` for more than `maxBytes` */
  push(bytes: Uint8Array): void {
    if (this.#bytes.add(bytes)) return;
    throw new GatewayError(
      'upstream_protocol_error',
      `The upstream sent a response of more than ${this.#maxBytes} bytes.`,
    );
  }

  end(): void {
    this.#onText(this.#bytes.take().toString('utf8'));
  }
}
