import type { Chunk, MergedBodies } from '../../streaming/merged-bodies.ts';
import type { Bodies } from '../../streaming/response-stream.ts';

/** The bodies of one turn after another, for a sink that knows nothing of turns. Between two turns there are none. */
export class TurnBodies implements Bodies {
  #current: MergedBodies | undefined;
  #isRead = false;
  #onChunk: ((chunk: Chunk) => void) | undefined;
  #paused = false;
  #closed = false;
  /** The bodies that each chunk came from: a sink may take one later, when the next turn has begun. */
  readonly #sources = new WeakMap<Chunk, MergedBodies>();

  get closed(): boolean {
    return this.#closed;
  }

  /** Makes these the current bodies. They are read once `proceed` is called. */
  use(bodies: MergedBodies): void {
    this.#current = bodies;
    this.#isRead = false;
  }

  /** Reads from the current bodies, as soon as the sink takes more. */
  proceed(): void {
    const bodies = this.#current;
    const onChunk = this.#onChunk;
    if (bodies === undefined || onChunk === undefined || this.#paused || this.#closed || this.#isRead) return;
    this.#isRead = true;
    bodies.read((chunk) => {
      this.#sources.set(chunk, bodies);
      onChunk(chunk);
    });
  }

  /** True for a chunk of the current turn. */
  isCurrent(chunk: Chunk): boolean {
    return this.#current !== undefined && this.#sources.get(chunk) === this.#current;
  }

  /** Ends the current turn, which gives its slot at the server back. */
  endTurn(): void {
    this.#current?.close();
    this.#current = undefined;
  }

  read(onChunk: (chunk: Chunk) => void): void {
    this.#onChunk = onChunk;
    this.resume();
  }

  pause(): void {
    this.#paused = true;
    this.#current?.pause();
  }

  resume(): void {
    this.#paused = false;
    if (this.#isRead) this.#current?.resume();
    else this.proceed();
  }

  close(): void {
    this.#closed = true;
    this.#current?.close();
  }
}
