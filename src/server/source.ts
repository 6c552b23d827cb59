import { type GatewayError, asGatewayError } from '../errors.ts';
import { transportError, type UpstreamAnswer } from '../upstreams/client.ts';

type Body = UpstreamAnswer['body'];

/** What arrives from the upstream for one choice of an answer. Its end and its failure arrive like its bytes. */
export type Piece =
  | { readonly type: 'bytes'; readonly choice: number; readonly bytes: Uint8Array }
  | { readonly type: 'end'; readonly choice: number }
  | { readonly type: 'broken'; readonly choice: number; readonly error: GatewayError };

/** What is left of an answer after its end mark: bytes read, and milliseconds waited, to keep its connection. */
const afterlife = { limit: 64 * 1024, milliseconds: 500 };

/**
 * The bodies of an upstream's answers, one for each choice, as one web stream that carries the pressure of its reader
 * back to the upstream's sockets. A body joins when it is there: an upstream may serve one after the other. Cancelling
 * closes those that run; those still to come are the caller's to abort.
 */
export class Source {
  readonly stream: ReadableStream<Piece>;
  /** Set when the answer is complete: cancelling then keeps the connections instead of closing them. */
  complete = false;
  /** Set when the rest of the answer is not wanted: what still comes has to be stopped. */
  cut = false;
  readonly #onChunk: (bytes: Uint8Array) => void;
  readonly #joined: Body[] = [];
  #running: number;
  #cancelled = false;

  /** @param onChunk sees the bytes as they arrive */
  constructor(bodies: readonly Promise<Body>[], onChunk: (bytes: Uint8Array) => void) {
    this.#running = bodies.length;
    this.#onChunk = onChunk;
    this.stream = new ReadableStream<Piece>({
      start: (controller) => {
        bodies.forEach((body, choice) => void this.#join(body, choice, controller));
      },
      pull: () => {
        for (const body of this.#joined) body.resume();
      },
      cancel: () => {
        this.#cancelled = true;
        for (const body of this.#joined) leave(body, this.complete && !this.cut);
      },
    });
  }

  async #join(
    coming: Promise<Body>,
    choice: number,
    controller: ReadableStreamDefaultController<Piece>,
  ): Promise<void> {
    const end = (piece: Piece): void => {
      if (this.#cancelled) return;
      controller.enqueue(piece);
      this.#running -= 1;
      if (this.#running === 0) controller.close();
    };
    let body: Body;
    try {
      body = await coming;
    } catch (error) {
      return end({ type: 'broken', choice, error: asGatewayError(error) });
    }
    if (this.#cancelled) return leave(body, false);
    this.#joined.push(body);
    body.on('data', (bytes: Uint8Array) => {
      this.#onChunk(bytes);
      controller.enqueue({ type: 'bytes', choice, bytes });
      if ((controller.desiredSize ?? 0) <= 0) body.pause();
    });
    body.on('end', () => end({ type: 'end', choice }));
    body.on('error', (error) => {
      end({ type: 'broken', choice, error: transportError(error, 'in the middle of its answer') });
    });
    if ((controller.desiredSize ?? 0) <= 0) body.pause();
  }
}

function leave(body: Body, complete: boolean): void {
  // The handlers must not feed a controller that is gone.
  for (const event of ['data', 'end', 'error']) body.removeAllListeners(event);
  body.on('error', () => undefined);
  if (!complete) body.destroy();
  else if (!body.readableEnded) void dump(body);
}

async function dump(body: Body): Promise<void> {
  try {
    await body.dump({ limit: afterlife.limit, signal: AbortSignal.timeout(afterlife.milliseconds) });
  } catch {
    // The answer was complete; how its connection ends is nobody's concern.
  }
}
