import { type GatewayError, asGatewayError } from '../errors.ts';
import type { UpstreamBody } from '../upstreams/http/body.ts';
import { transportError } from '../upstreams/http/client.ts';

/** A part of the upstream's answer for one choice: bytes, the end, or a failure. */
export type Chunk =
  | { readonly type: 'bytes'; readonly choice: number; readonly bytes: Buffer }
  | { readonly type: 'end'; readonly choice: number }
  | { readonly type: 'broken'; readonly choice: number; readonly error: GatewayError };

/**
 * Merges the bodies of an upstream's answers, one for each choice. A body joins when its answer starts: an upstream may
 * serve one choice after the other.
 */
export class MergedBodies {
  /** Set when the answer is complete: `close` then keeps the upstream connections open for other requests. */
  complete = false;
  /** Set when the client has all it wants although the upstream still generates: `close` then stops the upstream. */
  cut = false;
  readonly #onBytes: (bytes: Buffer, pieces: number) => void;
  readonly #cancel: () => void;
  readonly #joined: UpstreamBody[] = [];
  #onChunk: ((chunk: Chunk) => void) | undefined;
  #paused = true;
  #closed = false;
  /** Chunks that came while paused. */
  readonly #held: Chunk[] = [];

  /**
   * @param onBytes called with bytes as they arrive, and the number of pieces they were sent in
   * @param cancel called when answers that have not started yet are no longer needed
   */
  constructor(
    answers: readonly Promise<{ readonly body: UpstreamBody }>[],
    onBytes: (bytes: Buffer, pieces: number) => void,
    cancel: () => void = () => undefined,
  ) {
    this.#onBytes = onBytes;
    this.#cancel = cancel;
    for (const [choice, answer] of answers.entries()) {
      answer.then(
        ({ body }) => this.#join(body, choice),
        (error: unknown) => this.#pass({ type: 'broken', choice, error: asGatewayError(error) }),
      );
    }
  }

  /** Passes every chunk from now on to `onChunk`, synchronously, and to no earlier reader. */
  read(onChunk: (chunk: Chunk) => void): void {
    this.#onChunk = onChunk;
    this.resume();
  }

  /** Stops reading from the upstream. */
  pause(): void {
    this.#paused = true;
    for (const body of this.#joined) body.pause();
  }

  resume(): void {
    this.#paused = false;
    while (!this.#paused && !this.#closed) {
      const chunk = this.#held.shift();
      if (chunk === undefined) break;
      this.#onChunk?.(chunk);
    }
    if (!this.#paused) for (const body of this.#joined) body.resume();
  }

  /** Ends the reading. Calling it again does nothing. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#held.length = 0;
    if (!this.complete) this.#cancel();
    for (const body of this.#joined) this.#closeBody(body);
  }

  #join(body: UpstreamBody, choice: number): void {
    if (this.#closed) return this.#closeBody(body);
    this.#joined.push(body);
    body.read({
      data: (bytes, pieces) => {
        this.#onBytes(bytes, pieces);
        this.#pass({ type: 'bytes', choice, bytes });
        // Another body may have resumed this one after the chunk that was too much.
        if (this.#paused && !this.#closed) body.pause();
      },
      end: () => this.#pass({ type: 'end', choice }),
      error: (error) => {
        this.#pass({ type: 'broken', choice, error: transportError(error, 'in the middle of its answer') });
      },
    });
    // `read` resumes the body.
    if (this.#paused) body.pause();
  }

  #pass(chunk: Chunk): void {
    if (this.#closed) return;
    if (this.#paused) this.#held.push(chunk);
    else this.#onChunk?.(chunk);
  }

  #closeBody(body: UpstreamBody): void {
    if (this.complete && !this.cut) body.discard();
    else body.destroy();
  }
}
