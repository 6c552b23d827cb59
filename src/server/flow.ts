import type { ServerResponse } from 'node:http';
import type { Exchange } from './exchange.ts';
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
  /** Ended with the answer. */
  readonly exchange: Exchange;
  /** What has come of it before there was an outlet. */
  readonly opening: string | Uint8Array;
  /** Whether nothing follows the opening. */
  readonly ended: boolean;
  /** Sends on what a piece comes to. Sends nothing more once it has ended the outlet. */
  pass(piece: Piece, outlet: Outlet): void;
}

/** The client is gone before the end. */
function left({ exchange }: Flow): void {
  exchange.clientLeft();
  exchange.end();
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
      left(flow);
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
 * most of what a token costs. What arrives at once goes out at once, as one chunk of HTTP.
 */
export function flowInto(outgoing: ServerResponse, flow: Flow): void {
  const { source } = flow;
  const { socket } = outgoing;
  let over = false;
  let begun = false;
  /**
   * What came in this turn of the event loop: a chunk costs more than a token, and what the answer is complete with has to go
   * with its end.
   */
  let held: string | Uint8Array = '';
  const flush = (): void => {
    if (over || held.length === 0) return;
    const data = held;
    held = '';
    // Node would hand the socket four pieces.
    const taken =
      begun && socket !== null && outgoing.chunkedEncoding && typeof data === 'string'
        ? socket.write(`${Buffer.byteLength(data).toString(16)}\r\n${data}\r\n`)
        : outgoing.write(data);
    begun = true;
    if (!taken) source.pause();
  };
  const drained = (): void => {
    if (!over) source.resume();
  };
  const finish = (): void => {
    over = true;
    socket?.off('drain', drained);
    source.leave();
  };
  const outlet: Outlet = {
    send(data) {
      if (over) return;
      if (held.length === 0) process.nextTick(flush);
      if (typeof held === 'string' && typeof data === 'string') held += data;
      else {
        flush();
        held = data;
      }
    },
    end() {
      // The end of an exchange may end its upstream, and that the answer.
      if (over) return;
      finish();
      // What was used is written down by then.
      setImmediate(() => outgoing.end(held));
    },
    breakOff() {
      if (over) return;
      flush();
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
  if (flow.opening.length > 0) {
    outlet.send(flow.opening);
  } else {
    outgoing.flushHeaders();
    begun = true;
  }
  if (flow.ended) outlet.end();
  else if (outgoing.destroyed) gone();
  else source.read((piece) => flow.pass(piece, outlet));
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
