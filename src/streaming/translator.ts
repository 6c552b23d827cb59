import type { ChatEvent, Emit, Verbatim } from '../chat/event.ts';
import type { Decoder, DecoderMaker, Encoder, TotalUsage } from '../chat/stream.ts';
import { withQueueTime } from '../chat/server-timing.ts';
import { sumUsage } from '../chat/sum-usage.ts';
import { type GatewayError, asGatewayError, errorInAnswer } from '../errors.ts';
import { afterOutput } from './after-output.ts';
import type { Chunk } from './merged-bodies.ts';

/**
 * Translates the bytes of an upstream's streams, one for each choice, into the text of the client's one stream. A failure
 * becomes the client's own error event, after everything that was translated before it. Synchronous and without I/O.
 */
export class Translator {
  readonly #decoders: readonly Decoder[];
  readonly #encoder: Encoder;
  readonly #queuedMs: () => number;
  readonly #finished: TotalUsage[] = [];
  #out = '';
  /** True once some of the answer is translated: before that, an error can still be an HTTP status. */
  hasOutput = false;
  /** True once the client's stream has its end, complete or failed. */
  ended = false;
  /** The upstream's counts for the whole answer, once it is complete. */
  total: TotalUsage | undefined;
  /** The failure that ended the stream. */
  error: GatewayError | undefined;

  /** True when the connection has to be broken after a failure. */
  get breaksConnection(): boolean {
    return this.#encoder.breaksConnection === true;
  }

  /** @returns the failure once more, for an HTTP chunk of its own; '' if no client needs it */
  failureApart(): string {
    return this.error === undefined ? '' : (this.#encoder.failApart?.(this.error) ?? '');
  }

  /**
   * @param decoders one for each choice
   * @param queuedMs returns the milliseconds that the request waited in the gateway's queue
   */
  constructor(decoders: readonly DecoderMaker[], encoder: Encoder, queuedMs: () => number = () => 0) {
    this.#encoder = encoder;
    this.#queuedMs = queuedMs;
    this.#decoders = decoders.map((decoder, choice) => decoder(this.#emit(choice)));
  }

  /** @returns the text for the client, possibly empty. A choice that ends without the upstream's end mark is a failure. */
  push(chunk: Chunk): string {
    if (this.ended) return '';
    this.#out = '';
    try {
      if (chunk.type === 'broken') throw chunk.error;
      const decoder = this.#decoders[chunk.choice];
      if (chunk.type === 'bytes') decoder?.push(chunk.bytes);
      else decoder?.end();
      if (this.#finished.length === this.#decoders.length) {
        this.total = sumUsage(this.#finished);
        this.ended = true;
        const { usage, timings } = this.total;
        this.#out += this.#encoder.end({ usage, timings: withQueueTime(timings, this.#queuedMs()) });
      }
    } catch (thrown) {
      const error = chunk.type === 'bytes' ? errorInAnswer(thrown) : asGatewayError(thrown);
      this.error = this.hasOutput ? afterOutput(error) : error;
      this.ended = true;
      this.#out += this.#encoder.fail(this.error);
    }
    return this.#out;
  }

  /** Turns a complete answer into a failed one. @returns the text that ends it instead of what the last `push` returned */
  refuse(error: GatewayError): string {
    this.error = error;
    return this.#encoder.fail(error);
  }

  /** @returns events that keep the client's stream alive; '' if it has no room for them */
  keepAlive(): string {
    return this.ended ? '' : (this.#encoder.keepAlive?.() ?? '');
  }

  #emit(choice: number): Emit {
    const emit = (event: ChatEvent): void => {
      if (event.type === 'finish') this.#finished.push(event);
      const text = this.#encoder.write(event, choice);
      if (text !== '') this.hasOutput = true;
      this.#out += text;
    };
    const verbatim: Verbatim = {
      frame: () => this.#encoder.frame?.(choice),
      take: (texts) => {
        this.hasOutput = true;
        this.#out += texts;
      },
    };
    return Object.assign(emit, { verbatim });
  }
}
