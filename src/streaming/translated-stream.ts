import { asGatewayError } from '../errors.ts';
import type { Exchange } from '../exchange/exchange.ts';
import type { Chunk, MergedBodies } from './merged-bodies.ts';
import type { ResponseStream, Sink } from './response-stream.ts';
import type { Translator } from './translator.ts';

interface TranslatedStreamOptions {
  readonly translator: Translator;
  readonly exchange: Exchange;
  readonly stored?: (() => Promise<void> | undefined) | undefined;
}

/** An answer that is translated while it streams. */
export class TranslatedStream implements ResponseStream {
  readonly bodies: MergedBodies;
  readonly #translator: Translator;
  readonly #exchange: Exchange;
  readonly #stored: () => Promise<void> | undefined;
  #opening = '';

  /** @param options `stored` resolves when the complete answer is stored; the client gets its end after that */
  constructor(bodies: MergedBodies, { translator, exchange, stored = nothing }: TranslatedStreamOptions) {
    this.bodies = bodies;
    this.#translator = translator;
    this.#exchange = exchange;
    this.#stored = stored;
  }

  /**
   * Reads until some of the answer is translated; the bodies keep the rest. Until then a failure is thrown, so that it can
   * become an HTTP status or a retry. After it, the client's stream reports the failure itself.
   *
   * @throws {GatewayError} when the upstream fails before anything was translated
   */
  async open(): Promise<void> {
    const translator = this.#translator;
    await new Promise<void>((resolve) => {
      this.bodies.read((chunk) => {
        this.#opening = translator.push(chunk);
        if (!translator.hasOutput && !translator.ended) return;
        // Nothing of an answer came, but an error: another server may be asked.
        if (!translator.hasOutput && translator.error !== undefined) this.#exchange.forgetChunks();
        this.bodies.pause();
        resolve();
      });
    });
    if (translator.error === undefined || translator.hasOutput) return;
    this.bodies.close();
    throw translator.error;
  }

  start(sink: Sink): void {
    this.#send(this.#opening, sink);
  }

  write(chunk: Chunk, sink: Sink): void {
    // Data after the end, while the answer is being stored, is no part of it.
    if (!this.#translator.ended) this.#send(this.#translator.push(chunk), sink);
  }

  keepAlive(): string {
    return this.#translator.keepAlive();
  }

  #send(text: string, sink: Sink): void {
    const { ended, total } = this.#translator;
    const pending = ended && total !== undefined ? this.#stored() : undefined;
    if (pending === undefined) return this.#write(text, sink);
    pending.then(
      () => this.#write(text, sink),
      (error: unknown) => this.#write(this.#translator.refuse(asGatewayError(error)), sink),
    );
  }

  #write(text: string, sink: Sink): void {
    const { ended, error, total } = this.#translator;
    if (text !== '') sink.write(text);
    if (!ended) return;
    this.bodies.complete = total !== undefined;
    if (total !== undefined) this.#exchange.addUsage(total);
    if (error !== undefined && this.#translator.breaksConnection) sink.abort(error, this.#translator.failureApart());
    else sink.end(error);
  }
}

function nothing(): undefined {
  return undefined;
}
