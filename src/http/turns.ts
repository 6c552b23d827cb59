import { OwnerQueue } from '../owner-queue.ts';

/** Milliseconds of one turn of the event loop after which further bodies wait for the next. */
const maxTurn = 50;
/** Bodies of those that wait which are taken together, unless the last turn took too long. */
const maxTogether = 16;
/** Estimated milliseconds from which a body is expensive. */
const expensive = 20;

/** An expensive body that waits. */
interface Expensive {
  /** Estimated milliseconds. */
  readonly cost: number;
  readonly start: () => void;
}

/**
 * Spreads the work on request bodies over turns of the event loop. Parsing and translation block it, so bodies that arrive at
 * once would keep all other requests waiting for the sum of their times. Owners take turns. Between expensive bodies, others
 * have the loop for at least as long as each of them takes.
 */
export class Turns {
  readonly #waiting = new OwnerQueue<() => void>();
  readonly #waitingExpensive = new OwnerQueue<Expensive>();
  /** The time at which the first body of this turn was taken, on the clock of `performance.now()`; undefined if there was none. */
  #turnStart: number | undefined;
  /** The time from which the next expensive body may be taken. */
  #expensiveAt = 0;
  #isScheduled = false;

  /**
   * @param owner whose body it is
   * @param cost estimated milliseconds of the work on it
   * @returns undefined if the work can begin now; otherwise a promise that resolves when it can
   */
  wait(owner: string, cost: number): Promise<void> | undefined {
    const now = performance.now();
    return cost < expensive ? this.#waitInTurn(owner, now) : this.#waitForGap(owner, cost, now);
  }

  #waitInTurn(owner: string, now: number): Promise<void> | undefined {
    if (this.#turnStart === undefined) {
      this.#turnStart = now;
      setImmediate(nextTurn, this);
    } else if (this.#waiting.size > 0 || now - this.#turnStart > maxTurn) {
      return new Promise((start) => this.#waiting.add(owner, start));
    }
    return undefined;
  }

  #waitForGap(owner: string, cost: number, now: number): Promise<void> | undefined {
    if (this.#waitingExpensive.size === 0 && now >= this.#expensiveAt) {
      this.#expensiveAt = now + 2 * cost;
      return undefined;
    }
    return new Promise((start) => {
      this.#waitingExpensive.add(owner, { cost, start });
      this.#schedule(this.#expensiveAt - now);
    });
  }

  /** Begins the next turn, with some of the bodies that wait. */
  startTurn(): void {
    const now = performance.now();
    const wasLong = now - (this.#turnStart ?? now) > maxTurn;
    this.#turnStart = undefined;
    for (let left = wasLong ? 1 : maxTogether; left > 0 && this.#waiting.size > 0; left -= 1) this.#waiting.next()?.();
    if (this.#waiting.size === 0) return;
    this.#turnStart = now;
    setImmediate(nextTurn, this);
  }

  startExpensive(): void {
    this.#isScheduled = false;
    const next = this.#waitingExpensive.next();
    if (next === undefined) return;
    const { cost, start } = next;
    start();
    this.#expensiveAt = performance.now() + 2 * cost;
    if (this.#waitingExpensive.size > 0) this.#schedule(2 * cost);
  }

  #schedule(milliseconds: number): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setTimeout(nextExpensive, milliseconds, this);
  }
}

function nextTurn(turns: Turns): void {
  turns.startTurn();
}

function nextExpensive(turns: Turns): void {
  turns.startExpensive();
}
