import { GatewayError } from './errors.ts';

/** Seconds. */
const retryAfter = 2;

/** The part of all tasks that wait which may belong to one owner. */
const ownerShare = 1 / 2;

/** Limits how many tasks run at the same time. Owners of the others take turns; the tasks of one wait in FIFO order. */
export class Semaphore {
  #free: number;
  readonly #maxWaiting: number;
  readonly #tooMany: string;
  /** What waits, by owner. The owner whose turn it is comes first. */
  readonly #waiting = new Map<string, Set<() => void>>();
  #size = 0;

  /**
   * @param slots tasks that may run at the same time
   * @param tooMany the error message when `maxWaiting` tasks wait already, or half as many of the same owner
   */
  constructor(slots: number, maxWaiting: number, tooMany: string) {
    this.#free = slots;
    this.#maxWaiting = maxWaiting;
    this.#tooMany = tooMany;
  }

  /**
   * Waits for a slot. The caller must `release` it.
   *
   * @param owner whose task it is
   * @throws {GatewayError} 503 when too many tasks are waiting
   * @throws the signal's reason when it aborts the wait
   */
  async acquire(signal: AbortSignal, owner = ''): Promise<void> {
    signal.throwIfAborted();
    if (this.#free > 0) {
      this.#free -= 1;
      return;
    }
    const own = this.#waiting.get(owner) ?? new Set();
    if (this.#size >= this.#maxWaiting || own.size >= Math.ceil(this.#maxWaiting * ownerShare)) {
      throw new GatewayError('server_overloaded', this.#tooMany, { retryAfter });
    }
    this.#waiting.set(owner, own);
    await new Promise<void>((resolve, reject) => {
      const start = (): void => {
        signal.removeEventListener('abort', onAbort);
        resolve();
      };
      const onAbort = (): void => {
        this.#remove(owner, own, start);
        reject(signal.reason as Error);
      };
      signal.addEventListener('abort', onAbort, { once: true });
      own.add(start);
      this.#size += 1;
    });
  }

  #remove(owner: string, own: Set<() => void>, start: () => void): void {
    own.delete(start);
    this.#size -= 1;
    if (own.size === 0) this.#waiting.delete(owner);
  }

  /** Gives the slot to the next waiting task. */
  release(): void {
    for (const [owner, own] of this.#waiting) {
      const [next] = own;
      if (next === undefined) continue;
      this.#remove(owner, own, next);
      if (own.size > 0) {
        // The others first.
        this.#waiting.delete(owner);
        this.#waiting.set(owner, own);
      }
      return next();
    }
    this.#free += 1;
  }
}
