import type { Dispatcher } from 'undici';

/** Receives the bytes of a response body. */
export interface BodyReader {
  /** @param chunks number of chunks in which the upstream sent the bytes */
  data(bytes: Buffer, chunks: number): void;
  end(): void;
  /** @param error the reason of an abort, or undici's error */
  error(error: Error): void;
}

/** Limits for reading an unwanted response, to keep its connection: in bytes and milliseconds. */
const maxDiscarded = { bytes: 64 * 1024, milliseconds: 500 };

/**
 * The body of an upstream's response. A Readable would cost as much as everything else that is done for a token. Bytes
 * that arrive before there is a reader are held, and the upstream is paused until then.
 */
export class UpstreamBody {
  readonly #controller: Dispatcher.DispatchController;
  #reader: BodyReader | undefined;
  /** Chunks that no reader has received yet. */
  #pending: Buffer[] = [];
  /** The end of the body; undefined until then. */
  #outcome: 'complete' | 'destroyed' | Error | undefined;
  #onClose: (() => void) | undefined;

  constructor(controller: Dispatcher.DispatchController) {
    this.#controller = controller;
  }

  /**
   * Passes everything on to `reader` and nothing more to a previous one: what is pending at once, and what arrives later
   * at the end of each tick, as one buffer.
   */
  read(reader: BodyReader): void {
    this.#reader = reader;
    this.#deliver();
    this.resume();
  }

  /** Stops reading from the socket, so that the upstream waits. */
  pause(): void {
    if (this.#outcome === undefined) this.#controller.pause();
  }

  resume(): void {
    if (this.#outcome === undefined) this.#controller.resume();
  }

  /** Reads the rest without using it, so that the connection can be reused. Closes it when the rest is long or slow. */
  discard(): void {
    if (this.#outcome !== undefined) return;
    const timer = setTimeout(() => this.destroy(), maxDiscarded.milliseconds);
    let length = 0;
    const stop = (): void => clearTimeout(timer);
    const data = (bytes: Buffer): void => {
      length += bytes.length;
      if (length <= maxDiscarded.bytes) return;
      stop();
      this.destroy();
    };
    // Not now: resuming while undici parses this response would make it parse the next bytes within that call.
    process.nextTick(() => {
      if (this.#outcome === 'destroyed') stop();
      else this.read({ data, end: stop, error: stop });
    });
  }

  /** Closes the connection to the upstream, unless the body has ended. The reader is not called any more. */
  destroy(): void {
    this.#reader = undefined;
    if (this.#outcome !== undefined) return;
    this.#outcome = 'destroyed';
    this.#pending = [];
    this.#controller.abort(new Error('The rest of the response is not needed.'));
    this.#onClose?.();
  }

  /** Calls `listener` once the body has ended in any way; at once if it has. There is one listener at most. */
  onClose(listener: () => void): void {
    if (this.#outcome === undefined) this.#onClose = listener;
    else listener();
  }

  /** Takes the next chunk from the connection. */
  enqueue(bytes: Buffer): void {
    // undici also passes on empty chunks when it is resumed and has no data.
    if (this.#outcome !== undefined || bytes.length === 0) return;
    this.#pending.push(bytes);
    if (this.#reader === undefined) this.#controller.pause();
    // A static function: a closure for each chunk would cost more.
    else if (this.#pending.length === 1) process.nextTick(UpstreamBody.#deliverPending, this);
  }

  /** Marks the body as ended. @param error why it is incomplete */
  close(error?: Error): void {
    if (this.#outcome !== undefined) return;
    this.#outcome = error ?? 'complete';
    this.#deliver();
    this.#onClose?.();
  }

  /** An error thrown by the reader ends this response and no other. */
  static #deliverPending(this: void, body: UpstreamBody): void {
    try {
      body.#deliver();
    } catch (error) {
      body.#controller.abort(error as Error);
    }
  }

  /** Passes on what is pending, then the end if the body has ended. */
  #deliver(): void {
    const chunks = this.#pending;
    const [first] = chunks;
    if (first !== undefined && this.#reader !== undefined) {
      this.#pending = [];
      this.#reader.data(chunks.length === 1 ? first : Buffer.concat(chunks), chunks.length);
    }
    if (this.#outcome === undefined) return;
    // The end is passed on once, and to nobody when the reader destroyed the body.
    const reader = this.#reader;
    this.#reader = undefined;
    if (this.#outcome instanceof Error) reader?.error(this.#outcome);
    else if (this.#outcome === 'complete') reader?.end();
  }
}

/** The head of a response, and its body as it arrives. */
export interface UpstreamAnswer {
  readonly statusCode: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: UpstreamBody;
}
