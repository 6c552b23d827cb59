import type { ChatEvent, Emit, Verbatim } from '../chat/event.ts';
import type { Decoder, DecoderMaker, Encoder, TotalUsage } from '../chat/stream.ts';
import { sumUsage } from '../chat/sum-usage.ts';
import { type GatewayError, asGatewayError } from '../errors.ts';
import { type Encoding, inLatin1 } from '../framing/latin1.ts';

/**
 * Bytes of a backend's streams, one for each choice, -> text of a client's one stream. Whatever goes wrong becomes the
 * client's own error event, after what was translated before it. Synchronous: streams are a shell around it.
 */
export class Translator {
  readonly #decoders: readonly Decoder[];
  readonly #encoder: Encoder;
  readonly #finished: TotalUsage[] = [];
  #out = '';
  /** Of what was returned last. */
  encoding: Encoding = 'utf8';
  /** Whether any of the answer has been translated: before that, an error can still be a status of its own. */
  hasOutput = false;
  /** What was counted for the whole answer, once it is complete. */
  total: TotalUsage | undefined;
  /** Why the answer broke, if it did. */
  error: GatewayError | undefined;

  /** @param decoders one for each choice */
  constructor(decoders: readonly DecoderMaker[], encoder: Encoder) {
    this.#encoder = encoder;
    this.#decoders = decoders.map((decoder, choice) => decoder(this.#emit(choice)));
  }

  #emit(choice: number): Emit {
    const emit = (event: ChatEvent): void => {
      if (event.type === 'finish') this.#finished.push(event);
      const text = this.#encoder.write(event, choice);
      if (text !== '') this.hasOutput = true;
      this.#add(text);
    };
    const verbatim: Verbatim = {
      frame: () => this.#encoder.frame?.(choice),
      take: (texts) => {
        if (this.encoding === 'utf8') {
          this.#out = inLatin1(this.#out);
          this.encoding = 'latin1';
        }
        this.#out += texts;
      },
    };
    return Object.assign(emit, { verbatim });
  }

  /** True when the client's stream is complete, be it whole or broken. */
  get ended(): boolean {
    return this.total !== undefined || this.error !== undefined;
  }

  push(bytes: Buffer, choice = 0): string {
    return this.#run(() => this.#decoders[choice]?.push(bytes));
  }

  /** The bytes of a choice are at their end. Without the backend's end mark that is an error. */
  end(choice = 0): string {
    return this.#run(() => this.#decoders[choice]?.end());
  }

  /** A backend's stream broke, or has to be given up. */
  fail(error: GatewayError): string {
    return this.#run(() => {
      throw error;
    });
  }

  #add(text: string): void {
    this.#out += this.encoding === 'latin1' ? inLatin1(text) : text;
  }

  #run(step: () => void): string {
    if (this.ended) return '';
    this.#out = '';
    this.encoding = 'utf8';
    try {
      step();
      if (this.#finished.length === this.#decoders.length) {
        this.total = sumUsage(this.#finished);
        this.#add(this.#encoder.end(this.total));
      }
    } catch (thrown) {
      this.error = asGatewayError(thrown);
      this.#add(this.#encoder.fail(this.error));
    }
    return this.#out;
  }
}
