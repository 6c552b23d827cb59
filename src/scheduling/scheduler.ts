import { type Entry, type ServiceOutcome, type Work, atLeastOne, createEntry } from './entry.ts';
import { FairOrder } from './fair-order.ts';
import { Lag } from './lag.ts';
import { ModelQueues } from './model-queues.ts';
import { Pace } from './pace.ts';
import { Residency } from './residency.ts';

export interface SchedulerOptions {
  /** Requests that the upstream gets at a time. */
  readonly parallel: number;
  /** Models that it holds in memory at a time. Absent: learned. */
  readonly slots?: number;
  /** Milliseconds by which a request may start later than in the fair order to save model swaps; 0 for none. */
  readonly maxExtraWait: number;
  /** One of this many requests is a batch request while any is waiting. */
  readonly batchShare: number;
  /** Tokens per round for a key of weight 1. With a smaller quantum, keys alternate more often. */
  readonly quantum: number;
  /** Requests that may be ahead of the fair order at a time. */
  readonly maxEarly: number;
  /** Milliseconds that a request takes, until there are measurements. */
  readonly serviceTime: number;
  /** Milliseconds that loading a model takes, until there are measurements. */
  readonly loadTime: number;
}

/**
 * Decides which request goes to an upstream next. Synchronous and without a clock of its own.
 *
 * Requests start in the fair order, with one exception: when the head would evict a model that other requests wait for,
 * those may start before it, as long as the lag they cause stays within `maxExtraWait`. They keep their position in the
 * order and are skipped when it comes to them, so every key gets what the fair order gives it.
 */
export class Scheduler {
  readonly pace: Pace;
  #options: SchedulerOptions;
  readonly #order: FairOrder;
  readonly #modelQueues = new ModelQueues();
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

  /** Replaces the options, except for the quantum and the assumed times. Requests that wait or run stay as they are. */
  use(options: SchedulerOptions): void {
    this.#options = options;
    this.#order.use(options.batchShare);
    this.#residency.use(options.slots);
  }

  get waiting(): number {
    return this.#waiting;
  }

  get running(): number {
    return this.#running;
  }

  /** Requests that the upstream gets at a time. */
  get parallel(): number {
    return this.#options.parallel;
  }

  /** Models in memory, as far as known. */
  get resident(): readonly string[] {
    return this.#residency.models;
  }

  /** Milliseconds by which the head is late, compared with the fair order. */
  get lag(): number {
    return this.#lag.value;
  }

  /** @param models the models that the upstream holds in memory */
  setLoaded(models: Iterable<string>): void {
    this.#residency.setLoaded(models);
  }

  add(work: Work): Entry {
    const entry = createEntry(work);
    if (this.#waiting === 0) {
      this.#skipEarly();
      this.#lag.reset(this.#residency.models);
    }
    this.#order.add(entry);
    this.#modelQueues.add(entry);
    this.#waiting += 1;
    return entry;
  }

  /**
   * Starts a request at once if no request is waiting and there is room: then no order applies, and no key owes
   * anything.
   *
   * @returns undefined if the request has to be added and may have to wait
   */
  startAtOnce(work: Work): Entry | undefined {
    if (this.#waiting > 0 || this.#running >= this.#options.parallel) return undefined;
    if (!this.#residency.has(work.model) && !this.#residency.canLoad()) return undefined;
    this.#skipEarly();
    const entry = createEntry(work);
    entry.state = 'running';
    this.#running += 1;
    this.#residency.start(work.model, () => false);
    return entry;
  }

  /** Removes a waiting entry that will not start. */
  remove(entry: Entry): void {
    if (entry.state !== 'waiting') return;
    entry.state = 'gone';
    this.#order.remove(entry);
    this.#modelQueues.remove(entry);
    this.#waiting -= 1;
  }

  /**
   * Starts the next request, if one may start. When none runs and one waits, one always may.
   *
   * @param now milliseconds, never less than in the call before
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
    if (!this.#residency.has(model) && !this.#residency.hasSpare((other) => this.#modelQueues.has(other))) {
      const overtaker = this.#findOvertaker(head, now);
      if (overtaker !== undefined) return this.#startEarly(overtaker);
      // A full server swaps models once its running requests have ended.
      if (!this.#residency.canLoad()) return undefined;
    }
    const fairLoad = this.#dequeue(head);
    const load = this.#start(head);
    this.#lag.add(load - fairLoad);
    return head;
  }

  /** Ends a started request, successful or not. */
  finish(entry: Entry, outcome: ServiceOutcome): void {
    if (entry.state !== 'running') return;
    entry.state = 'gone';
    this.#running -= 1;
    this.#residency.finish(entry.work.model);
    this.settle(entry, outcome);
  }

  /** Records the outcome of a request, also after its end. Call it once. */
  settle(entry: Entry, outcome: ServiceOutcome): void {
    const cost = outcome.cost === undefined ? entry.cost : atLeastOne(outcome.cost);
    if (outcome.service !== undefined) this.pace.observe(cost, outcome.service);
    if (outcome.load !== undefined && outcome.load > 0) this.pace.observeLoad(outcome.load);
    if (entry.orderNode === undefined) this.#order.charge(entry, cost - entry.cost);
    else if (entry.early !== undefined && outcome.service !== undefined) {
      const early = outcome.service / this.#options.parallel;
      this.#lag.add(early - entry.early);
      entry.early = early;
    }
    entry.cost = cost;
  }

  /** @returns all waiting entries, in the fair order as far as it is known now. O(n log n). */
  ranking(): Entry[] {
    return this.#order.ranking();
  }

  /** Dequeues the entries that have started early. @returns the first one that has not */
  #skipEarly(): Entry | undefined {
    for (;;) {
      const head = this.#order.head();
      if (head?.early === undefined) return head;
      this.#lag.add(-this.#dequeue(head) - head.early);
      this.#early -= 1;
    }
  }

  /** @returns an entry that may start before the head: its model is in memory and its priority is not lower */
  #findOvertaker(head: Entry, now: number): Entry | undefined {
    const { maxExtraWait, maxEarly, parallel } = this.#options;
    // This bound holds however wrong the estimates are.
    if (now - this.#headSince >= maxExtraWait || this.#early >= maxEarly) return undefined;
    // The head will have to load its model. If it would not have to in the fair order, the load delays it as well.
    const lag = this.#lag.value + (this.#lag.wouldLoad(head.work.model) ? 0 : this.pace.load);
    for (const model of this.#residency.models) {
      const entry = this.#modelQueues.first(model, head.work.priority);
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

  /** Removes the head from the fair order. @returns milliseconds of loading that the fair order would spend on it */
  #dequeue(entry: Entry): number {
    const { model } = entry.work;
    const fairLoad = this.#lag.wouldLoad(model) ? this.pace.load : 0;
    this.#order.dequeue(entry);
    this.#lag.use(model, this.#residency.slots);
    return fairLoad;
  }

  /** @returns milliseconds of loading that the request needs */
  #start(entry: Entry): number {
    entry.state = 'running';
    this.#modelQueues.remove(entry);
    this.#waiting -= 1;
    this.#running += 1;
    return this.#residency.start(entry.work.model, (other) => this.#modelQueues.has(other)) ? this.pace.load : 0;
  }
}
