import type { Dispatcher } from 'undici';

/** Who reads a body. */
export interface BodyReader {
  /** @param pieces how many the upstream sent them in */
  data(bytes: Buffer, pieces: number): void;
  end(): void;
  /** @param error what an abort gave as its reason, or what undici says */
  error(error: Error): void;
}

/** Of an answer that nobody wants to its end: bytes read, and milliseconds waited, to keep its connection. */
const afterlife = { bytes: 64 * 1024, milliseconds: 500 };

/**
 * The body of an answer, without the machinery of a Readable, which costs as much as all else that is done to a token.
 * What comes before somebody reads is kept, and the upstream is not read until then.
 */
export class UpstreamBody {
  readonly #controller: Dispatcher.DispatchController;
  #reader: BodyReader | undefined;
  /** What nobody has read. */
  #held: Buffer[] = [];
  /** How it ended; undefined while it has not. */
  #outcome: 'whole' | 'left' | Error | undefined;
  #onClose: (() => void) | undefined;

  constructor(controller: Dispatcher.DispatchController) {
    this.#controller = controller;
  }

  /** Has all that came go to `reader` now, all that comes at the end of its turn of the event loop, and nothing to another. */
  read(reader: BodyReader): void {
    this.#reader = reader;
    this.#deliver();
    if (this.#outcome === undefined) this.#controller.resume();
    else this.#tellEnd();
  }

  /** Lets the upstream wait: what it sends stays in the socket. */
  pause(): void {
    if (this.#outcome === undefined) this.#controller.pause();
  }

  resume(): void {
    if (this.#outcome === undefined) this.#controller.resume();
  }

  /** Reads the rest and forgets it, so that the connection can be used again; one that is long or slow is closed. */
  discard(): void {
    if (this.#outcome !== undefined) return;
    const timer = setTimeout(() => this.destroy(), afterlife.milliseconds);
    let length = 0;
    const over = (): void => clearTimeout(timer);
    const forgetting = {
      data: (bytes: Buffer): void => {
        length += bytes.length;
        if (length <= afterlife.bytes) return;
        over();
        this.destroy();
      },
      end: over,
      error: over,
    };
    // Later: while undici parses one answer it must not be made to parse another.
    process.nextTick(() => {
      if (this.#outcome === 'left') over();
      else this.read(forgetting);
    });
  }

  /** Closes the connection to the upstream, unless all has come. Nobody hears of anything more. */
  destroy(): void {
    this.#reader = undefined;
    if (this.#outcome !== undefined) return;
    this.#outcome = 'left';
    this.#held = [];
    this.#controller.abort(new Error('The body is not wanted.'));
    this.#onClose?.();
  }

  /** Hears once, when it has come to an end of any kind; now, if it has. */
  onClose(hear: () => void): void {
    if (this.#outcome === undefined) this.#onClose = hear;
    else hear();
  }

  /** For whoever receives it. */
  push(bytes: Buffer): void {
    // undici hands out nothing, too, where it is resumed and has nothing.
    if (this.#outcome !== undefined || bytes.length === 0) return;
    this.#held.push(bytes);
    if (this.#reader === undefined) this.#controller.pause();
    else if (this.#held.length === 1) process.nextTick(endTurn, this);
  }

  /** Has what came in this turn of the event loop read. A fault of the reader breaks this answer and no other. */
  deliverPending(): void {
    try {
      this.#deliver();
    } catch (error) {
      this.#controller.abort(error as Error);
    }
  }

  #deliver(): void {
    const held = this.#held;
    const [first] = held;
    if (first === undefined || this.#reader === undefined) return;
    this.#held = [];
    this.#reader.data(held.length === 1 ? first : Buffer.concat(held), held.length);
  }

  /** For whoever receives it. @param error why it broke off */
  finish(error?: Error): void {
    if (this.#outcome !== undefined) return;
    this.#outcome = error ?? 'whole';
    this.#deliver();
    this.#tellEnd();
    this.#onClose?.();
  }

  #tellEnd(): void {
    if (this.#outcome instanceof Error) this.#reader?.error(this.#outcome);
    else if (this.#outcome === 'whole') this.#reader?.end();
  }
}

function endTurn(body: UpstreamBody): void {
  body.deliverPending();
}

/** The head of an answer, and its body as it comes. */
export interface UpstreamAnswer {
  readonly statusCode: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: UpstreamBody;
}
