import { GatewayError } from '../errors.ts';

/** Seconds. */
const retryAfter = 2;

/** Lets a number of tasks run at once and the rest wait, first come, first served. */
export class Semaphore {
  #free: number;
  readonly #maxWaiting: number;
  readonly #waiting = new Set<() => void>();

  constructor(atOnce: number, maxWaiting: number) {
    this.#free = atOnce;
    this.#maxWaiting = maxWaiting;
  }

  /**
   * Resolves when it is the caller's turn, which lasts until it calls `release`.
   *
   * @throws {GatewayError} 503 when too many wait already
   * @throws the signal's reason, when that ends the wait
   */
  async acquire(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#free > 0) {
      this.#free -= 1;
      return;
    }
    if (this.#waiting.size >= this.#maxWaiting) {
      throw new GatewayError('server_overloaded', 'Too many images are being fetched.', { retryAfter });
    }
    await new Promise<void>((resolve, reject) => {
      const begin = (): void => {
        signal.removeEventListener('abort', leave);
        resolve();
      };
      const leave = (): void => {
        this.#waiting.delete(begin);
        reject(signal.reason as Error);
      };
      signal.addEventListener('abort', leave, { once: true });
      this.#waiting.add(begin);
    });
  }

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
