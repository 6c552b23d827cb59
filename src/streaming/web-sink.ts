import type { GatewayError } from '../errors.ts';
import type { Exchange } from '../exchange/exchange.ts';
import { afterUsageRows } from '../usage/writer.ts';
import type { Chunk } from './merged-bodies.ts';
import { type ResponseSink, type ResponseStream, readTime } from './response-stream.ts';

/** Pipes an answer through one TransformStream, for runtimes that have `fetch` but no ServerResponse. */
export class WebSink implements ResponseSink {
  /** The body of the response. */
  readonly body: ReadableStream<Uint8Array>;
  written = false;
  readonly #exchange: Exchange;
  readonly #writable: WritableStream<Chunk>;
  #controller: TransformStreamDefaultController<Uint8Array> | undefined;
  #stream: ResponseStream | undefined;
  #ended = false;
  #isCancelled = false;

  constructor(exchange: Exchange) {
    this.#exchange = exchange;
    const transform = new TransformStream<Chunk, Uint8Array>({
      start: (controller) => {
        this.#controller = controller;
      },
      transform: (chunk) => this.#stream?.write(chunk, this),
      cancel: () => {
        this.#isCancelled = true;
        if (this.#ended) return;
        exchange.onClientLeft();
        this.#finish();
      },
    });
    this.body = transform.readable;
    this.#writable = transform.writable;
  }

  get ready(): boolean {
    // The queue of the readable side has no room of its own: 0 means that it is empty.
    return (this.#controller?.desiredSize ?? -1) >= 0;
  }

  pipe(stream: ResponseStream): void {
    const { bodies } = stream;
    this.#stream = stream;
    if (this.#ended) return bodies.close();
    stream.start(this);
    if (this.#ended) return;
    const chunks = new ReadableStream<Chunk>({
      pull: (controller) => {
        bodies.read((chunk) => {
          controller.enqueue(chunk);
          if ((controller.desiredSize ?? 0) <= 0) bodies.pause();
        });
      },
      cancel: () => bodies.close(),
    });
    // It rejects when the client leaves and when the answer breaks off, which the sink handles itself.
    chunks.pipeTo(this.#writable).catch(() => undefined);
  }

  write(data: string | Uint8Array): void {
    if (this.#ended) return;
    this.written = true;
    this.#controller?.enqueue(typeof data === 'string' ? Buffer.from(data) : data);
  }

  end(error?: GatewayError): void {
    if (this.#ended) return;
    this.#finish(error);
    afterUsageRows(() => this.#controller?.terminate());
  }

  abort(error: GatewayError, apart = ''): void {
    if (this.#ended) return;
    this.#finish(error);
    const breakOff = (): void => this.#controller?.error(new Error('The answer broke off.'));
    if (apart === '') {
      // An error drops what is queued, and the client must get that first.
      setImmediate(breakOff);
      return;
    }
    setTimeout(() => {
      // It throws if the client has left.
      if (this.#isCancelled) return;
      this.#controller?.enqueue(Buffer.from(apart));
      setTimeout(breakOff, readTime).unref();
    }, readTime).unref();
  }

  #finish(error?: GatewayError): void {
    this.#ended = true;
    this.#exchange.end(error);
    this.#stream?.bodies.close();
  }
}
