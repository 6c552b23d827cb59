import { GatewayError } from './errors.ts';

/** Seconds. */
const retryAfter = 2;

/** Limits how many tasks run at the same time; the others wait in FIFO order. */
export class Semaphore {
  #free: number;
  readonly #maxWaiting: number;
  readonly #tooMany: string;
  readonly #waiting = new Set<() => void>();

  /**
   * @param slots tasks that may run at the same time
   * @param tooMany the error message when `maxWaiting` tasks wait already
   */
  constructor(slots: number, maxWaiting: number, tooMany: string) {
    this.#free = slots;
    this.#maxWaiting = maxWaiting;
    this.#tooMany = tooMany;
  }

  /**
   * Waits for a slot. The caller must `release` it.
   *
   * @throws {GatewayError} 503 when too many tasks are waiting
   * @throws the signal's reason when it aborts the wait
   */
  async acquire(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#free > 0) {
      this.#free -= 1;
      return;
    }
    if (this.#waiting.size >= this.#maxWaiting) {
      throw new GatewayError('server_overloaded', this.#tooMany, { retryAfter });
    }
    await new Promise<void>((resolve, reject) => {
      const start = (): void => {
        signal.removeEventListener('abort', onAbort);
        resolve();
      };
      const onAbort = (): void => {
        this.#waiting.delete(start);
        reject(signal.reason as Error);
      };
      signal.addEventListener('abort', onAbort, { once: true });
      this.#waiting.add(start);
    });
  }

  /** Gives the slot to the next waiting task. */
  release(): void {
    const [next] = this.#waiting;
    if (next === undefined) {
      this.#free += 1;
      return;
    }
    this.#waiting.delete(next);
    next();
  }
}
