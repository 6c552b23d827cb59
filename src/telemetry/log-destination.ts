import { write, writeSync } from 'node:fs';

/** Characters from which lines are written at once, and milliseconds after which fewer are: a write per line is expensive. */
const batch = { length: 4_096, delay: 100 };
/** Characters that may wait to be written. Further lines are lost. */
const maxPending = 1024 * 1024;
/** Milliseconds until the next attempt: after an error, and while the reader of a pipe is slow. */
const retryDelay = { failed: 1_000, full: 50 };
/** Milliseconds and attempts for the last lines of the process, if the reader of a pipe is slow. */
const exitRetry = { delay: 10, attempts: 20 };

const newline = 0x0a;

/**
 * Writes log lines to a file descriptor. Lines that cannot be written are counted and lost: on a full disk and without a
 * reader, requests are still served and the process still ends. It is tried again every second.
 */
export class LogDestination {
  readonly #fd: number;
  readonly #onRecovered: (lost: number) => void;
  #pending = '';
  /** The lines that are being written, from `#offset` on. */
  #chunk: Buffer | undefined;
  #offset = 0;
  /** True while the operating system writes `#chunk`; false while it waits for the next attempt. */
  #isWriting = false;
  #timer: NodeJS.Timeout | undefined;
  /** True until the next attempt after one that failed. */
  #isPausing = false;
  /** True if an error cut a line off, so that the next one must begin on a line of its own. */
  #isCutOff = false;
  #lost = 0;
  #reported = 0;

  /** @param onRecovered called with the number of lines lost since the last call, once lines can be written again */
  constructor(fd: number, onRecovered: (lost: number) => void) {
    this.#fd = fd;
    this.#onRecovered = onRecovered;
    process.once('exit', () => this.flushSync());
  }

  /** Number of lines that were lost. */
  get lost(): number {
    return this.#lost;
  }

  /** @param line with its line break */
  write(line: string): void {
    if (this.#pending.length + line.length > maxPending) {
      this.#lost += 1;
      return;
    }
    this.#pending += line;
    if (this.#chunk === undefined && !this.#isPausing) this.#flushSoon();
  }

  /** Writes the remaining lines before the process ends. */
  flushSync(): void {
    const rest = this.#isWriting ? undefined : this.#chunk?.subarray(this.#offset);
    let bytes = Buffer.concat([rest ?? Buffer.alloc(0), Buffer.from(this.#pending)]);
    this.#pending = '';
    this.#chunk = undefined;
    for (let attempts = 0; bytes.length > 0 && attempts < exitRetry.attempts;) {
      try {
        bytes = bytes.subarray(writeSync(this.#fd, bytes));
      } catch (error) {
        if (!isFull(error)) return;
        attempts += 1;
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, exitRetry.delay);
      }
    }
  }

  #flushSoon(): void {
    if (this.#pending.length >= batch.length) this.#flush();
    else if (this.#pending !== '') this.#timer ??= this.#after(batch.delay);
  }

  #after(delay: number): NodeJS.Timeout {
    return setTimeout(() => {
      this.#timer = undefined;
      this.#flush();
    }, delay).unref();
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#isPausing = false;
    if (this.#chunk === undefined) {
      if (this.#pending === '') return;
      this.#chunk = Buffer.from(this.#isCutOff ? `\n${this.#pending}` : this.#pending);
      this.#offset = 0;
      this.#pending = '';
    }
    this.#isWriting = true;
    write(this.#fd, this.#chunk, this.#offset, this.#onWritten);
  }

  readonly #onWritten = (error: Error | null, written: number): void => {
    this.#isWriting = false;
    const chunk = this.#chunk;
    if (chunk === undefined) return;
    if (error !== null) {
      if (!isFull(error)) this.#lose(chunk);
      this.#isPausing = true;
      this.#timer = this.#after(isFull(error) ? retryDelay.full : retryDelay.failed);
      return;
    }
    this.#offset += written;
    if (this.#offset < chunk.length) return this.#flush();
    this.#chunk = undefined;
    this.#isCutOff = false;
    const lost = this.#lost - this.#reported;
    this.#reported = this.#lost;
    if (lost > 0) this.#onRecovered(lost);
    this.#flushSoon();
  };

  /** Gives up the lines of a chunk that were not written as a whole. */
  #lose(chunk: Buffer): void {
    const begin = this.#offset === 0 && this.#isCutOff ? 1 : this.#offset;
    for (let at = chunk.indexOf(newline, begin); at !== -1; at = chunk.indexOf(newline, at + 1)) this.#lost += 1;
    if (this.#offset > 0) this.#isCutOff = chunk[this.#offset - 1] !== newline;
    this.#chunk = undefined;
  }
}

/** True if a pipe is full, because its reader is slow. */
function isFull(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'EAGAIN' || code === 'EBUSY';
}
