import type { Decoder, Encoder } from '../chat/contract.ts';
import type { ChatEvent, FinishEvent } from '../chat/event.ts';
import { type GatewayError, asGatewayError } from '../errors.ts';

/**
 * Bytes of a backend's stream -> text of a client's stream. Whatever goes wrong becomes the client's own error event,
 * after what was translated before it. Synchronous: streams are a shell around it.
 */
export class Translator {
  readonly #decoder: Decoder;
  readonly #encoder: Encoder;
  #out = '';
  /** Whether any of the answer has been translated: before that, an error can still be a status of its own. */
  opened = false;
  /** The end of the backend's answer, once it came. */
  finish: FinishEvent | undefined;
  /** Why the answer broke, if it did. */
  error: GatewayError | undefined;

  constructor(decoder: (emit: (event: ChatEvent) => void) => Decoder, encoder: Encoder) {
    this.#encoder = encoder;
    this.#decoder = decoder((event) => {
      if (event.type === 'finish') this.finish = event;
      const text = this.#encoder.write(event);
      if (text !== '') this.opened = true;
      this.#out += text;
    });
  }

  /** True when the client's stream is complete, be it whole or broken. */
  get ended(): boolean {
    return this.finish !== undefined || this.error !== undefined;
  }

  push(bytes: Uint8Array): string {
    return this.#run(() => this.#decoder.push(bytes));
  }

  /** The backend's bytes are at their end. Without its end mark that is an error. */
  end(): string {
    return this.#run(() => this.#decoder.end());
  }

  /** The backend's stream broke, or has to be given up. */
  fail(error: GatewayError): string {
    return this.#run(() => {
      throw error;
    });
  }

  #run(step: () => void): string {
    if (this.ended) return '';
    this.#out = '';
    try {
      step();
      if (this.finish !== undefined) this.#out += this.#encoder.end();
    } catch (thrown) {
      this.error = asGatewayError(thrown);
      this.#out += this.#encoder.fail(this.error);
    }
    return this.#out;
  }
}
