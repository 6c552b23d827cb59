import { ByModel } from './by-model.ts';
import { type Entry, entryOf, type Outcome, tokens, type Work } from './entry.ts';
import { FairOrder } from './fair-order.ts';
import { Lag } from './lag.ts';
import { Pace } from './pace.ts';
import { Residency } from './residency.ts';

export interface SchedulerOptions {
  /** Requests that the upstream is given at a time. */
  readonly parallel: number;
  /** Models that it holds in memory at a time. Absent: learned. */
  readonly slots?: number;
  /** Milliseconds that a request may start later than in the fair order for the sake of fewer swaps; 0 for none. */
  readonly maxExtraWait: number;
  /** Of every so many turns one is for batch requests. */
  readonly batchShare: number;
  /** Tokens for a key of weight 1 in a lap. The smaller, the finer keys take turns. */
  readonly quantum: number;
  /** Requests that may be ahead of their turn. */
  readonly maxEarly: number;
  /** Milliseconds that a request takes, until some were seen. */
  readonly serviceTime: number;
  /** Milliseconds that loading a model takes, until some were seen. */
  readonly loadTime: number;
}

/**
 * Decides which request goes to an upstream next. Synchronous and without a clock of its own.
 *
 * The fair order is kept as it is. Only when its head would take a model out of memory that others wait for, those
 * may start before it, as long as the lag they cause stays within `maxExtraWait`. They keep their turn in the order,
 * and are skipped when it comes: so what a key gets is what the fair order gives it.
 */
export class Scheduler {
  readonly pace: Pace;
  readonly #options: SchedulerOptions;
  readonly #order: FairOrder;
  readonly #byModel = new ByModel();
  readonly #residency: Residency;
  readonly #lag = new Lag();
  #waiting = 0;
  #running = 0;
  #early = 0;
  #head: Entry | undefined;
  #headSince = 0;

  constructor(options: SchedulerOptions) {
    this.#options = options;
    this.#order = new FairOrder(options.quantum, options.batchShare);
    this.#residency = new Residency(options.slots);
    this.pace = new Pace(options.serviceTime, options.loadTime);
  }

  get waiting(): number {
    return this.#waiting;
  }

  get running(): number {
    return this.#running;
  }

  /** Requests that the upstream is given at a time. */
  get parallel(): number {
    return this.#options.parallel;
  }

  /** Models in memory, as far as known. */
  get resident(): readonly string[] {
    return this.#residency.models;
  }

  /** Milliseconds that the head of the order is late now, compared with the fair order. */
  get lag(): number {
    return this.#lag.value;
  }

  /** Tells what the box holds. */
  told(models: Iterable<string>): void {
    this.#residency.told(models);
  }

  add(work: Work): Entry {
    const entry = entryOf(work);
    if (this.#waiting === 0) {
      this.#skipEarly();
      this.#lag.reset(this.#residency.models);
    }
    this.#order.add(entry);
    this.#byModel.add(entry);
    this.#waiting += 1;
    return entry;
  }

  /**
   * Starts one for which nobody has to wait: where nobody waits, there is no order to keep and nothing is owed.
   *
   * @returns undefined where it has to be added, and may have to wait
   */
  startAtOnce(work: Work): Entry | undefined {
    if (this.#waiting > 0 || this.#running >= this.#options.parallel) return undefined;
    if (!this.#residency.has(work.model) && !this.#residency.canLoad()) return undefined;
    this.#skipEarly();
    const entry = entryOf(work);
    entry.state = 'running';
    this.#running += 1;
    this.#residency.start(work.model, nobodyWants);
    return entry;
  }

  /** Takes out one that waits no longer. */
  remove(entry: Entry): void {
    if (entry.state !== 'waiting') return;
    entry.state = 'gone';
    this.#order.remove(entry);
    this.#byModel.remove(entry);
    this.#waiting -= 1;
  }

  /**
   * Starts the next request, if one may start. While none runs and one waits, one may.
   *
   * @param now milliseconds, never less than before
   */
  next(now: number): Entry | undefined {
    if (this.#running >= this.#options.parallel) return undefined;
    const head = this.#skipEarly();
    if (head === undefined) return undefined;
    if (head !== this.#head) {
      this.#head = head;
      this.#headSince = now;
    }
    const { model } = head.work;
    if (!this.#residency.has(model) && !this.#residency.hasSpare((other) => this.#byModel.has(other))) {
      const other = this.#overtaker(head, now);
      if (other !== undefined) return this.#startEarly(other);
      // A box that is full swaps when what runs on it is done.
      if (!this.#residency.canLoad()) return undefined;
    }
    const spared = this.#pass(head);
    const loads = this.#start(head);
    this.#lag.add(loads - spared);
    return head;
  }

  /** A started request is over, whatever became of it. */
  finish(entry: Entry, outcome: Outcome): void {
    if (entry.state !== 'running') return;
    entry.state = 'gone';
    this.#running -= 1;
    this.#residency.finish(entry.work.model);
    this.settle(entry, outcome);
  }

  /** What a finished request turned out to be, where that is told later than its end. Once. */
  settle(entry: Entry, outcome: Outcome): void {
    const cost = outcome.cost === undefined ? entry.cost : tokens(outcome.cost);
    if (outcome.service !== undefined) this.pace.observe(cost, outcome.service);
    if (outcome.load !== undefined && outcome.load > 0) this.pace.observeLoad(outcome.load);
    if (entry.turn === undefined) this.#order.settle(entry, cost - entry.cost);
    else if (entry.early !== undefined && outcome.service !== undefined) {
      const early = outcome.service / this.#options.parallel;
      this.#lag.add(early - entry.early);
      entry.early = early;
    }
    entry.cost = cost;
  }

  /** All who wait, in the fair order as far as it is known now. O(n log n). */
  ranking(): Entry[] {
    return this.#order.ranking();
  }

  /** Passes the turns of those who had theirs early. */
  #skipEarly(): Entry | undefined {
    for (;;) {
      const head = this.#order.head();
      if (head?.early === undefined) return head;
      this.#lag.add(-this.#pass(head) - head.early);
      this.#early -= 1;
    }
  }

  /** Who may go before the head: one whose model is in memory, of the same class or a class before it. */
  #overtaker(head: Entry, now: number): Entry | undefined {
    const { maxExtraWait, maxEarly, parallel } = this.#options;
    // Holds whatever the estimates are worth.
    if (now - this.#headSince >= maxExtraWait || this.#early >= maxEarly) return undefined;
    // The head will load its model. If it would not have done so in the fair order, that is late as well.
    const lag = this.#lag.value + (this.#lag.wouldLoad(head.work.model) ? 0 : this.pace.load);
    for (const model of this.#residency.models) {
      const entry = this.#byModel.first(model, head.work.priority);
      if (entry === undefined) continue;
      if (lag + this.pace.expected(entry.cost) / parallel <= maxExtraWait) return entry;
    }
    return undefined;
  }

  #startEarly(entry: Entry): Entry {
    entry.early = this.pace.expected(entry.cost) / this.#options.parallel;
    this.#early += 1;
    this.#lag.add(entry.early);
    this.#start(entry);
    return entry;
  }

  /** The order moves on. @returns milliseconds of loading that it would have taken */
  #pass(entry: Entry): number {
    const { model } = entry.work;
    const spared = this.#lag.wouldLoad(model) ? this.pace.load : 0;
    this.#order.take(entry);
    this.#lag.turn(model, this.#residency.slots);
    return spared;
  }

  /** @returns milliseconds of loading that it takes */
  #start(entry: Entry): number {
    entry.state = 'running';
    this.#byModel.remove(entry);
    this.#waiting -= 1;
    this.#running += 1;
    return this.#residency.start(entry.work.model, (other) => this.#byModel.has(other)) ? this.pace.load : 0;
  }
}

const nobodyWants = (): boolean => false;
