import { type GatewayError, asGatewayError } from '../errors.ts';
import type { UpstreamBody } from '../upstreams/http/body.ts';
import { transportError } from '../upstreams/http/client.ts';

/** What arrives from the upstream for one choice of an answer. Its end and its failure arrive like its bytes. */
export type Chunk =
  | { readonly type: 'bytes'; readonly choice: number; readonly bytes: Buffer }
  | { readonly type: 'end'; readonly choice: number }
  | { readonly type: 'broken'; readonly choice: number; readonly error: GatewayError };

/**
 * The bodies of an upstream's answers, one for each choice, as one. A body joins when it is there: an upstream may serve
 * one after the other.
 */
export class MergedBodies {
  /** Set when the answer is complete: leaving it then keeps the connections instead of closing them. */
  complete = false;
  /** Set when the rest of the answer is not wanted: what still comes has to be stopped. */
  cut = false;
  readonly #onBytes: (bytes: Buffer, pieces: number) => void;
  readonly #giveUp: () => void;
  readonly #joined: UpstreamBody[] = [];
  #hear: ((piece: Chunk) => void) | undefined;
  #paused = true;
  #left = false;
  /** What came while it was paused. */
  readonly #held: Chunk[] = [];

  /**
   * @param onBytes sees bytes as they arrive, and in how many pieces they were sent
   * @param giveUp called when answers still to come are not wanted any more
   */
  constructor(
    answers: readonly Promise<{ readonly body: UpstreamBody }>[],
    onBytes: (bytes: Buffer, pieces: number) => void,
    giveUp: () => void = () => undefined,
  ) {
    this.#onBytes = onBytes;
    this.#giveUp = giveUp;
    answers.forEach((answer, choice) => {
      answer.then(
        ({ body }) => this.#join(body, choice),
        (error: unknown) => this.#pass({ type: 'broken', choice, error: asGatewayError(error) }),
      );
    });
  }

  /** Has all pieces from now on go to `hear`, synchronously, and no longer to another. */
  read(hear: (piece: Chunk) => void): void {
    this.#hear = hear;
    this.resume();
  }

  /** Lets the upstream wait. */
  pause(): void {
    this.#paused = true;
    for (const body of this.#joined) body.pause();
  }

  resume(): void {
    this.#paused = false;
    while (!this.#paused && !this.#left) {
      const piece = this.#held.shift();
      if (piece === undefined) break;
      this.#hear?.(piece);
    }
    if (!this.#paused) for (const body of this.#joined) body.resume();
  }

  /** Nobody wants more of it. */
  cancel(): void {
    if (this.#left) return;
    this.#left = true;
    this.#held.length = 0;
    if (!this.complete) this.#giveUp();
    for (const body of this.#joined) this.#leaveBody(body);
  }

  #join(body: UpstreamBody, choice: number): void {
    if (this.#left) return this.#leaveBody(body);
    this.#joined.push(body);
    body.read({
      data: (bytes, pieces) => {
        this.#onBytes(bytes, pieces);
        this.#pass({ type: 'bytes', choice, bytes });
        // It may have been resumed after another that was too much.
        if (this.#paused && !this.#left) body.pause();
      },
      end: () => this.#pass({ type: 'end', choice }),
      error: (error) => {
        this.#pass({ type: 'broken', choice, error: transportError(error, 'in the middle of its answer') });
      },
    });
    // To be read is to be resumed.
    if (this.#paused) body.pause();
  }

  #pass(piece: Chunk): void {
    if (this.#left) return;
    if (this.#paused) this.#held.push(piece);
    else this.#hear?.(piece);
  }

  #leaveBody(body: UpstreamBody): void {
    if (this.complete && !this.cut) body.discard();
    else body.destroy();
  }
}
