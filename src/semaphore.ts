import type { Signal } from './cancellation.ts';
import { GatewayError } from './errors.ts';
import { OwnerQueue } from './owner-queue.ts';

/** Seconds. */
const retryAfter = 2;

/** The part of all tasks that wait which may belong to one owner. */
const ownerShare = 1 / 2;

/** Limits how many tasks run at the same time. Owners of the others take turns; the tasks of one wait in FIFO order. */
export class Semaphore {
  #free: number;
  readonly #maxWaiting: number;
  readonly #tooMany: string;
  readonly #waiting = new OwnerQueue<() => void>();

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
  async acquire(signal: Signal, owner = ''): Promise<void> {
    signal.throwIfAborted();
    if (this.#free > 0) {
      this.#free -= 1;
      return;
    }
    const maxOfOwner = Math.ceil(this.#maxWaiting * ownerShare);
    if (this.#waiting.size >= this.#maxWaiting || this.#waiting.sizeOf(owner) >= maxOfOwner) {
      throw new GatewayError('server_overloaded', this.#tooMany, { retryAfter });
    }
    await new Promise<void>((resolve, reject) => {
      const start = (): void => {
        signal.removeEventListener('abort', onAbort);
        resolve();
      };
      const onAbort = (): void => {
        this.#waiting.remove(owner, start);
        reject(signal.reason);
      };
      signal.addEventListener('abort', onAbort);
      this.#waiting.add(owner, start);
    });
  }

  /** Runs a task in a slot. @param owner whose task it is @throws as `acquire`, and what the task throws */
  async run<Result>(signal: Signal, owner: string | undefined, task: () => Promise<Result>): Promise<Result> {
    await this.acquire(signal, owner);
    try {
      return await task();
    } finally {
      this.release();
    }
  }

  /** Gives the slot to the next waiting task. */
  release(): void {
    const start = this.#waiting.next();
    if (start === undefined) this.#free += 1;
    else start();
  }
}
