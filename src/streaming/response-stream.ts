import type { ServerResponse } from 'node:http';
import type { Encoding } from '../framing/latin1.ts';
import type { Exchange } from '../exchange/exchange.ts';
import type { Chunk, MergedBodies } from './merged-bodies.ts';

/** Where an answer goes. */
export interface Sink {
  /** @param encoding of a text. Absent: UTF-8 */
  write(data: string | Uint8Array, encoding?: Encoding): void;
  /** Ends the answer: it is complete, or says itself why it is not. */
  end(): void;
  /** Breaks the connection: a clean end would look like a complete answer. */
  abort(): void;
}

/** A streamed answer that has begun. */
export interface ResponseStream {
  readonly source: MergedBodies;
  /** Ended with the answer. */
  readonly exchange: Exchange;
  /** What has come of it before there was an outlet. */
  readonly opening: string | Uint8Array;
  /** Of the opening. Absent: UTF-8 */
  readonly encoding?: Encoding;
  /** Whether nothing follows the opening. */
  readonly ended: boolean;
  /** Sends on what a piece comes to. Sends nothing more once it has ended the outlet. */
  writeChunk(piece: Chunk, outlet: Sink): void;
}

/** The client is gone before the end. */
function left({ exchange }: ResponseStream): void {
  exchange.onClientLeft();
  exchange.end();
}

/** A flow as a web stream: one TransformStream, which goes wherever fetch does. Its chunks are what arrived at once. */
export function toWebStream(flow: ResponseStream): ReadableStream<Uint8Array> {
  const { source } = flow;
  const outletTo = (controller: TransformStreamDefaultController<Uint8Array>): Sink => ({
    write: (data, encoding) => controller.enqueue(typeof data === 'string' ? Buffer.from(data, encoding) : data),
    end: () => {
      source.cancel();
      controller.terminate();
    },
    abort: () => {
      source.cancel();
      controller.error(new Error('The answer broke off.'));
    },
  });
  const transform = new TransformStream<Chunk, Uint8Array>({
    start(controller) {
      const outlet = outletTo(controller);
      if (flow.opening.length > 0) outlet.write(flow.opening, flow.encoding);
      if (flow.ended) outlet.end();
    },
    transform: (piece, controller) => flow.writeChunk(piece, outletTo(controller)),
    cancel() {
      source.cancel();
      left(flow);
    },
  });
  const pieces = new ReadableStream<Chunk>({
    pull: (controller) => {
      source.read((piece) => {
        controller.enqueue(piece);
        if ((controller.desiredSize ?? 0) <= 0) source.pause();
      });
    },
    cancel: () => source.cancel(),
  });
  return pieces.pipeThrough(transform);
}

/**
 * A flow straight into Node's own answer, whose head is set and not yet sent: what web streams and their promises cost is
 * most of what a token costs. What arrives at once goes out at once, as one chunk of HTTP.
 */
export function pipeToNodeResponse(outgoing: ServerResponse, flow: ResponseStream): void {
  const { source } = flow;
  const { socket } = outgoing;
  const chunk = new WriteCoalescer(outgoing);
  let over = false;
  const flush = (): void => {
    if (!over && !chunk.flush()) source.pause();
  };
  const drained = (): void => {
    if (!over) source.resume();
  };
  const finish = (): void => {
    over = true;
    socket?.off('drain', drained);
    source.cancel();
  };
  const outlet: Sink = {
    write(data, encoding) {
      if (over) return;
      if (chunk.isEmpty) process.nextTick(flush);
      if (!chunk.add(data, encoding)) source.pause();
    },
    end() {
      // The end of an exchange may end its upstream, and that the answer.
      if (over) return;
      finish();
      chunk.end();
    },
    abort() {
      if (over) return;
      chunk.flush();
      finish();
      outgoing.destroy();
    },
  };
  const gone = (): void => {
    if (over) return;
    over = true;
    // It ends the exchange, before the upstream is free for another.
    left(flow);
    finish();
  };
  outgoing.on('drain', drained);
  socket?.on('drain', drained);
  outgoing.once('close', gone);
  if (flow.opening.length > 0) outlet.write(flow.opening, flow.encoding);
  else chunk.begin();
  if (flow.ended) outlet.end();
  else if (outgoing.destroyed) gone();
  else source.read((piece) => flow.writeChunk(piece, outlet));
}

/**
 * What comes for an answer in one turn of the event loop: a chunk costs more than a token, and what the answer is complete
 * with has to go with its end.
 */
class WriteCoalescer {
  readonly #outgoing: ServerResponse;
  #held: string | Uint8Array = '';
  #encoding: Encoding = 'utf8';
  #begun = false;

  constructor(outgoing: ServerResponse) {
    this.#outgoing = outgoing;
  }

  get isEmpty(): boolean {
    return this.#held.length === 0;
  }

  /** Sends the head alone. */
  begin(): void {
    this.#begun = true;
    this.#outgoing.flushHeaders();
  }

  /** @returns whether the client takes more */
  add(data: string | Uint8Array, encoding: Encoding = 'utf8'): boolean {
    if (typeof this.#held === 'string' && typeof data === 'string' && encoding === this.#encoding) {
      this.#held += data;
      return true;
    }
    const taken = this.flush();
    this.#held = data;
    this.#encoding = encoding;
    return taken;
  }

  /** @returns whether the client takes more */
  flush(): boolean {
    const data = this.#held;
    if (data.length === 0) return true;
    this.#held = '';
    const encoding = this.#encoding;
    const { socket, chunkedEncoding } = this.#outgoing;
    if (!this.#begun || socket === null || !chunkedEncoding || typeof data !== 'string') {
      this.#begun = true;
      return this.#outgoing.write(data, encoding);
    }
    // Node would hand the socket four pieces.
    const length = encoding === 'latin1' ? data.length : Buffer.byteLength(data);
    return socket.write(`${length.toString(16)}\r\n${data}\r\n`, encoding);
  }

  /** Ends the answer with what is held, once what was used is written down. */
  end(): void {
    setImmediate(() => this.#outgoing.end(this.#held, this.#encoding));
  }
}

/**
 * A web stream into Node's own answer, whose head is set. One that breaks off breaks the connection; a client that leaves
 * cancels it. Never rejects.
 */
export async function streamInto(outgoing: ServerResponse, stream: ReadableStream<Uint8Array>): Promise<void> {
  const reader = stream.getReader();
  let wake: (() => void) | undefined;
  outgoing.on('drain', () => wake?.());
  outgoing.once('close', () => {
    wake?.();
    void reader.cancel().catch(() => undefined);
  });
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (outgoing.destroyed) return;
      if (done) {
        // As for a flow: once what was used is written down.
        setImmediate(() => outgoing.end());
        return;
      }
      if (outgoing.write(value)) continue;
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  } catch {
    outgoing.destroy();
  }
}
