import type { ServerResponse } from 'node:http';
import type { GatewayError } from '../errors.ts';
import type { Exchange } from '../exchange/exchange.ts';
import { afterUsageRows } from '../usage/writer.ts';
import { type ResponseSink, type ResponseStream, readTime } from './response-stream.ts';

/** Milliseconds for the last bytes of an answer that breaks off. */
const maxLastWrite = 2_000;

/**
 * Writes an answer into Node's ServerResponse, whose head is set but not sent. Web streams and their promises cost more
 * than everything else that is done to a token. What arrives in one turn of the event loop goes out as one HTTP chunk.
 */
export class NodeSink implements ResponseSink {
  written = false;
  readonly #outgoing: ServerResponse;
  readonly #exchange: Exchange;
  readonly #onDrain: () => void;
  #stream: ResponseStream | undefined;
  #pending: string | Uint8Array = '';
  #headSent = false;
  #ended = false;

  constructor(outgoing: ServerResponse, exchange: Exchange) {
    this.#outgoing = outgoing;
    this.#exchange = exchange;
    // A named function: V8 allocates closures stored in a property directly in old space, where they survive until a major GC.
    const onDrain = (): void => {
      if (!this.#ended) this.#stream?.bodies.resume();
    };
    this.#onDrain = onDrain;
    // Both: `flush` writes to the socket itself, which the response does not notice.
    outgoing.on('drain', onDrain);
    outgoing.socket?.on('drain', onDrain);
    outgoing.once('close', () => this.#onClose());
  }

  get ready(): boolean {
    const { socket, writableNeedDrain } = this.#outgoing;
    return !writableNeedDrain && socket?.writableNeedDrain !== true;
  }

  pipe(stream: ResponseStream): void {
    this.#stream = stream;
    if (this.#outgoing.destroyed) this.#onClose();
    if (this.#ended) return stream.bodies.close();
    stream.start(this);
    if (this.#ended) return;
    if (this.#pending.length === 0 && !this.#headSent) {
      this.#headSent = true;
      this.#outgoing.flushHeaders();
    }
    stream.bodies.read((chunk) => stream.write(chunk, this));
  }

  write(data: string | Uint8Array): void {
    if (this.#ended) return;
    this.written = true;
    if (this.#pending.length === 0) process.nextTick(flush, this);
    if (typeof this.#pending === 'string' && typeof data === 'string') {
      this.#pending += data;
      return;
    }
    this.flush();
    this.#pending = data;
  }

  /** Sends what is pending. A client that does not keep up pauses the upstream. */
  flush(): void {
    const data = this.#pending;
    if (this.#ended || data.length === 0) return;
    this.#pending = '';
    if (!this.#send(data)) this.#stream?.bodies.pause();
  }

  end(error?: GatewayError): void {
    if (this.#ended) return;
    this.#finish(error);
    // The last bytes make the answer complete, so they go out with its end.
    afterUsageRows(() => this.#outgoing.end(this.#pending));
  }

  abort(error: GatewayError, apart = ''): void {
    if (this.#ended) return;
    if (apart !== '') this.flush();
    const data = this.#pending;
    this.#finish(error);
    const outgoing = this.#outgoing;
    if (apart !== '') {
      breakAfter(outgoing, apart);
      return;
    }
    if (data.length === 0) {
      outgoing.destroy();
      return;
    }
    // The client must get what is pending first, but a client that does not read must not hold the connection.
    const timer = setTimeout(() => outgoing.destroy(), maxLastWrite);
    outgoing.once('close', () => clearTimeout(timer));
    outgoing.write(data, () => outgoing.destroy());
  }

  #send(data: string | Uint8Array): boolean {
    const { socket, chunkedEncoding } = this.#outgoing;
    if (!this.#headSent || socket === null || !chunkedEncoding || typeof data !== 'string') {
      this.#headSent = true;
      return this.#outgoing.write(data);
    }
    // Node would hand the socket four writes for one chunk.
    return socket.write(`${Buffer.byteLength(data).toString(16)}\r\n${data}\r\n`);
  }

  /** Called when the response closes, which is early if the answer has not ended. */
  #onClose(): void {
    if (this.#ended) return;
    this.#exchange.onClientLeft();
    this.#finish();
  }

  /** Ends the exchange before the upstream is free for another one, so that the queue counts what it cost. */
  #finish(error?: GatewayError): void {
    this.#ended = true;
    this.#outgoing.socket?.off('drain', this.#onDrain);
    this.#exchange.end(error);
    this.#stream?.bodies.close();
  }
}

function flush(sink: NodeSink): void {
  sink.flush();
}

/** Writes a text that the client must read alone, and breaks the connection. */
function breakAfter(outgoing: ServerResponse, text: string): void {
  setTimeout(() => {
    if (outgoing.destroyed) return;
    outgoing.write(text);
    setTimeout(() => outgoing.destroy(), readTime).unref();
  }, readTime).unref();
}
