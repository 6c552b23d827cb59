/** Milliseconds of one turn of the event loop after which further bodies wait for the next. */
const maxTurn = 50;
/** Estimated milliseconds of the bodies that are taken together from those that wait. */
const maxTogether = 20;
/** Estimated milliseconds from which a body is expensive, and which every body takes at least. */
const expensive = 20;
const leastCost = 1;

/** A body that waits. */
interface Waiting {
  readonly cost: number;
  readonly start: () => void;
}

/**
 * Spreads the work on request bodies over turns of the event loop. Parsing and translation block it, so bodies that arrive at
 * once would keep all other requests waiting for the sum of their times. Between expensive bodies, others have the loop for at
 * least as long as each of them takes.
 */
export class Turns {
  readonly #waiting: Waiting[] = [];
  readonly #expensive: Waiting[] = [];
  /** When the first body of this turn was taken, on the clock of `performance.now()`; undefined if there was none. */
  #turnStart: number | undefined;
  /** When the next expensive body may be taken. */
  #expensiveAt = 0;
  #isScheduled = false;

  /**
   * @param cost estimated milliseconds of the work on a body
   * @returns undefined if the work can begin now; otherwise a promise that resolves when it can
   */
  wait(cost: number): Promise<void> | undefined {
    const now = performance.now();
    return cost < expensive ? this.#waitInTurn(cost, now) : this.#waitForGap(cost, now);
  }

  #waitInTurn(cost: number, now: number): Promise<void> | undefined {
    if (this.#turnStart === undefined) {
      this.#turnStart = now;
      setImmediate(nextTurn, this);
    } else if (this.#waiting.length > 0 || now - this.#turnStart > maxTurn) {
      return new Promise((start) => this.#waiting.push({ cost, start }));
    }
    return undefined;
  }

  #waitForGap(cost: number, now: number): Promise<void> | undefined {
    if (this.#expensive.length === 0 && now >= this.#expensiveAt) {
      this.#expensiveAt = now + 2 * cost;
      return undefined;
    }
    return new Promise((start) => {
      this.#expensive.push({ cost, start });
      this.#schedule(this.#expensiveAt - now);
    });
  }

  /** Begins the next turn, with some of the bodies that wait. */
  startTurn(): void {
    this.#turnStart = undefined;
    for (let cost = 0; cost < maxTogether;) {
      const next = this.#waiting.shift();
      if (next === undefined) break;
      cost += Math.max(next.cost, leastCost);
      next.start();
    }
    if (this.#waiting.length === 0) return;
    this.#turnStart = performance.now();
    setImmediate(nextTurn, this);
  }

  startExpensive(): void {
    this.#isScheduled = false;
    const now = performance.now();
    const next = this.#expensive.shift();
    if (next === undefined) return;
    this.#expensiveAt = now + 2 * next.cost;
    next.start();
    if (this.#expensive.length > 0) this.#schedule(2 * next.cost);
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
