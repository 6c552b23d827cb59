import type { Exchange } from '../exchange/exchange.ts';
import type { Chunk, MergedBodies } from './merged-bodies.ts';
import type { ResponseStream, Sink } from './response-stream.ts';
import type { Translator } from './translator.ts';

/**
 * Translates an answer while it streams. Until the first translated output a failure is thrown, so that it can become an
 * HTTP status or a retry; after it, the client's stream reports the failure itself.
 *
 * @returns the stream, once some of the answer is translated
 * @throws {GatewayError} when the upstream fails before anything was translated
 */
export async function translatedStream(
  bodies: MergedBodies,
  translator: Translator,
  exchange: Exchange,
): Promise<ResponseStream> {
  const stream = new TranslatedStream(bodies, translator, exchange);
  await stream.open();
  if (translator.error === undefined || translator.hasOutput) return stream;
  bodies.close();
  throw translator.error;
}

class TranslatedStream implements ResponseStream {
  readonly bodies: MergedBodies;
  readonly #translator: Translator;
  readonly #exchange: Exchange;
  #opening = '';

  constructor(bodies: MergedBodies, translator: Translator, exchange: Exchange) {
    this.bodies = bodies;
    this.#translator = translator;
    this.#exchange = exchange;
  }

  /** Reads until something is translated. The bodies keep the rest. */
  async open(): Promise<void> {
    const { bodies } = this;
    await new Promise<void>((resolve) => {
      bodies.read((chunk) => {
        this.#opening = this.#translate(chunk);
        if (!this.#translator.hasOutput && !this.#translator.ended) return;
        bodies.pause();
        resolve();
      });
    });
  }

  start(sink: Sink): void {
    this.#send(this.#opening, sink);
  }

  write(chunk: Chunk, sink: Sink): void {
    this.#send(this.#translate(chunk), sink);
  }

  #send(text: string, sink: Sink): void {
    const { ended, encoding, error, total } = this.#translator;
    if (text !== '') sink.write(text, encoding);
    if (!ended) return;
    this.bodies.complete = total !== undefined;
    if (total !== undefined) this.#exchange.addUsage(total);
    sink.end(error);
  }

  #translate(chunk: Chunk): string {
    switch (chunk.type) {
      case 'bytes':
        return this.#translator.push(chunk.bytes, chunk.choice);
      case 'end':
        return this.#translator.end(chunk.choice);
      case 'broken':
        return this.#translator.fail(chunk.error);
      default:
        return chunk satisfies never;
    }
  }
}
