import type { ServerResponse } from 'node:http';
import type { Piece, Source } from './source.ts';

/** Where an answer goes. */
export interface Outlet {
  send(data: string | Uint8Array): void;
  /** Ends the answer: it is complete, or says itself why it is not. */
  end(): void;
  /** Breaks the connection: a clean end would look like a complete answer. */
  breakOff(): void;
}

/** A streamed answer that has begun. */
export interface Flow {
  readonly source: Source;
  /** What has come of it before there was an outlet. */
  readonly opening: string | Uint8Array;
  /** Whether nothing follows the opening. */
  readonly ended: boolean;
  /** Sends on what a piece comes to. Sends nothing more once it has ended the outlet. */
  pass(piece: Piece, outlet: Outlet): void;
  /** The client is gone before the end. */
  left(): void;
}

/** A flow as a web stream: one TransformStream, which goes wherever fetch does. Its chunks are what arrived at once. */
export function streamOf(flow: Flow): ReadableStream<Uint8Array> {
  const { source } = flow;
  const outletTo = (controller: TransformStreamDefaultController<Uint8Array>): Outlet => ({
    send: (data) => controller.enqueue(typeof data === 'string' ? Buffer.from(data) : data),
    end: () => {
      source.leave();
      controller.terminate();
    },
    breakOff: () => {
      source.leave();
      controller.error(new Error('The answer broke off.'));
    },
  });
  const transform = new TransformStream<Piece, Uint8Array>({
    start(controller) {
      const outlet = outletTo(controller);
      if (flow.opening.length > 0) outlet.send(flow.opening);
      if (flow.ended) outlet.end();
    },
    transform: (piece, controller) => flow.pass(piece, outletTo(controller)),
    cancel() {
      source.leave();
      flow.left();
    },
  });
  const pieces = new ReadableStream<Piece>({
    pull: (controller) => {
      source.read((piece) => {
        controller.enqueue(piece);
        if ((controller.desiredSize ?? 0) <= 0) source.pause();
      });
    },
    cancel: () => source.leave(),
  });
  return pieces.pipeThrough(transform);
}

/**
 * A flow straight into Node's own answer, whose head is set and not yet sent: what web streams and their promises cost is
 * most of what a token costs. What arrives at once goes out at once.
 */
export function flowInto(outgoing: ServerResponse, flow: Flow): void {
  const { source } = flow;
  let over = false;
  /** What came in this turn of the event loop: a chunk of HTTP costs more than a token. */
  let pending = '';
  const write = (data: string | Uint8Array): void => {
    if (!outgoing.write(data)) source.pause();
  };
  const flush = (): void => {
    if (over || pending === '') return;
    const text = pending;
    pending = '';
    write(text);
  };
  const outlet: Outlet = {
    send(data) {
      if (over) return;
      if (typeof data !== 'string') return write(data);
      if (pending === '') process.nextTick(flush);
      pending += data;
    },
    end() {
      // The end of an exchange may end its upstream, and that the answer.
      if (over) return;
      over = true;
      source.leave();
      outgoing.end(pending);
    },
    breakOff() {
      if (over) return;
      over = true;
      source.leave();
      outgoing.destroy();
    },
  };
  const gone = (): void => {
    if (over) return;
    over = true;
    // It ends the exchange, before the upstream is free for another.
    flow.left();
    source.leave();
  };
  outgoing.on('drain', () => {
    if (!over) source.resume();
  });
  outgoing.once('close', gone);
  if (flow.opening.length > 0) outlet.send(flow.opening);
  else outgoing.flushHeaders();
  if (flow.ended) outlet.end();
  else if (outgoing.destroyed) gone();
  else source.read((piece) => flow.pass(piece, outlet));
}
