import type { Signal } from '../cancellation.ts';
import { GatewayError } from '../errors.ts';
import type { Entry, ServiceOutcome, Work } from './entry.ts';
import { type Forecast, forecastBehind, forecasts, retryAfter } from './forecast.ts';
import { Scheduler, type SchedulerOptions } from './scheduler.ts';

export interface FairQueueOptions extends SchedulerOptions {
  /** Requests that may wait. */
  readonly maxWaiting: number;
  /** Requests of one key that may wait. */
  readonly maxWaitingPerKey: number;
}

export interface QueuedRequest extends Work {
  /** The request leaves the queue when it aborts. */
  readonly signal: Signal;
  /** Milliseconds that the request may wait. Absent: no limit. */
  readonly maxWait?: number;
  /** True once the request can no longer move to another upstream. Absent: it always can. */
  readonly isBound?: () => boolean;
}

/** The right to use the upstream until `done` is called. */
export interface Ticket {
  /** Milliseconds that the request waited. */
  readonly waited: number;
  /** Call it when the upstream has finished with the request, successfully or not. Further calls do nothing. */
  done(): void;
  /**
   * Records the measurements of the request, once they are known. Do not call it for a failed request, which says
   * nothing about others.
   */
  settle(outcome: ServiceOutcome): void;
}

interface Waiter {
  readonly since: number;
  readonly resolve: (ticket: Ticket) => void;
  readonly reject: (reason: unknown) => void;
  readonly isBound: QueuedRequest['isBound'];
  /** Removes the abort listener and the timer. */
  stopWatching: () => void;
}

/** The longest delay of a timer in Node: a longer one fires at once. */
const longestTimeout = 2 ** 31 - 1;
/** Milliseconds for which forecasts are cached: one computation gives the positions of all requests. */
const forecastTtl = 1000;

/** The queue of one upstream. */
export class FairQueue {
  #limits: Pick<FairQueueOptions, 'maxWaiting' | 'maxWaitingPerKey'>;
  readonly #now: () => number;
  readonly #scheduler: Scheduler;
  readonly #waiters = new Map<Entry, Waiter>();
  readonly #waitingByKey = new Map<string, number>();
  readonly #entries = new WeakMap<QueuedRequest, Entry>();
  #forecasts: { readonly byEntry: ReadonlyMap<Entry, Forecast>; readonly at: number } | undefined;

  /** @param now returns milliseconds of a monotonic clock */
  constructor(options: FairQueueOptions, now: () => number = () => performance.now()) {
    this.#limits = options;
    this.#now = now;
    this.#scheduler = new Scheduler(options);
  }

  /** Replaces the options. Requests that wait keep their place, also when there are now more than may wait. */
  use(options: FairQueueOptions): void {
    this.#limits = options;
    this.#scheduler.use(options);
    this.#startNext();
  }

  /** Waiting requests. */
  get size(): number {
    return this.#scheduler.waiting;
  }

  /** Milliseconds that the first interactive request has waited; 0 if none waits. Batch requests may wait for hours. */
  get longestWait(): number {
    for (const [{ work }, { since }] of this.#waiters) {
      if (work.priority === 'interactive') return this.#now() - since;
    }
    return 0;
  }

  /** Requests that the upstream gets at a time. */
  get parallel(): number {
    return this.#scheduler.parallel;
  }

  /** Requests that the upstream is serving. */
  get inFlight(): number {
    return this.#scheduler.running;
  }

  /**
   * Starts the request if it need not wait, and queues it otherwise. A request that is refused, timed out or aborted leaves
   * nothing behind.
   *
   * @returns the ticket, without a promise if the request starts at once; from then on the caller has to handle an abort
   * @throws {GatewayError} `queue_full`: 429 when too many requests of the key are waiting, 503 when too many of all
   *   keys are, both with Retry-After; `queue_timeout` after `maxWait`
   * @throws the signal's reason, or that of `refuseWaiting`
   */
  enter(request: QueuedRequest): Ticket | Promise<Ticket> {
    request.signal.throwIfAborted();
    const started = this.#scheduler.startAtOnce(request);
    return started === undefined ? this.#wait(request) : this.#ticket(started, 0);
  }

  async #wait(request: QueuedRequest): Promise<Ticket> {
    const { key } = request;
    const { promise, resolve, reject } = Promise.withResolvers<Ticket>();
    const entry = this.#scheduler.add(request);
    const now = this.#now();
    const { isBound } = request;
    const waiter: Waiter = { since: now, resolve, reject, isBound, stopWatching: () => undefined };
    this.#waiters.set(entry, waiter);
    this.#waitingByKey.set(key, (this.#waitingByKey.get(key) ?? 0) + 1);
    // With the same time, so that a request that starts at once has waited for exactly 0 ms.
    this.#startNext(now);
    if (entry.state !== 'waiting') return await promise;
    // A request that can start at once is never refused.
    const refusal = this.#refusal(key);
    if (refusal !== undefined) {
      this.#leave(entry);
      throw refusal;
    }
    this.#entries.set(request, entry);
    waiter.stopWatching = this.#watch(request, (reason) => {
      this.#leave(entry);
      reject(reason);
      // Requests that it held up may be able to start.
      this.#startNext();
    });
    return await promise;
  }

  /** @param models the models that the upstream holds in memory */
  setLoaded(models: Iterable<string>): void {
    this.#scheduler.setLoaded(models);
    this.#startNext();
  }

  /**
   * Removes the waiting requests that can move to another upstream. They leave nothing behind.
   *
   * @param reason what their `enter` throws
   * @param concerns true for the requests that are meant
   */
  refuseWaiting(reason: unknown, concerns: (work: Work) => boolean = () => true): void {
    for (const [entry, { isBound, reject }] of this.#waiters) {
      if (isBound?.() === true || !concerns(entry.work)) continue;
      this.#leave(entry);
      reject(reason);
    }
    // Those that stay may have been held up by the others.
    this.#startNext();
  }

  /** @returns true while the request is waiting */
  isWaiting(request: QueuedRequest): boolean {
    return this.#entries.get(request)?.state === 'waiting';
  }

  /** @returns the forecast of a waiting request, at most a second old; undefined if it does not wait */
  position(request: QueuedRequest): Forecast | undefined {
    const entry = this.#entries.get(request);
    if (entry?.state !== 'waiting') return undefined;
    const now = this.#now();
    if (this.#forecasts === undefined || now - this.#forecasts.at >= forecastTtl) {
      this.#forecasts = { byEntry: forecasts(this.#scheduler), at: now };
    }
    // A request that came since then counts as the last one.
    return this.#forecasts.byEntry.get(entry) ?? forecastBehind(this.size - 1, this.#scheduler);
  }

  /** @returns milliseconds that a new request would wait for its start, and for its model to load */
  delayFor(model: string): { wait: number; load: number } {
    const { pace, parallel, resident, running } = this.#scheduler;
    const load = model === '' || resident.includes(model) ? 0 : pace.load;
    const free = running < parallel && this.size === 0;
    return { wait: free ? 0 : forecastBehind(this.size, this.#scheduler).wait, load };
  }

  /** Starts waiting requests while any may start. */
  #startNext(now = this.#now()): void {
    for (let entry = this.#scheduler.next(now); entry !== undefined; entry = this.#scheduler.next(now)) {
      const waiter = this.#removeWaiter(entry);
      waiter?.resolve(this.#ticket(entry, now - waiter.since));
    }
  }

  #ticket(entry: Entry, waited: number): Ticket {
    return {
      waited,
      done: () => {
        this.#scheduler.finish(entry, {});
        this.#startNext();
      },
      settle: (outcome) => this.#scheduler.settle(entry, outcome),
    };
  }

  /** Calls `leave` when the signal aborts or `maxWait` is over. @returns a function that stops watching */
  #watch({ signal, maxWait }: QueuedRequest, leave: (reason: unknown) => void): () => void {
    const onAbort = (): void => leave(signal.reason);
    signal.addEventListener('abort', onAbort);
    const timer =
      maxWait === undefined
        ? undefined
        : setTimeout(() => leave(this.#timeout()), Math.min(Math.max(0, maxWait), longestTimeout));
    return () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
    };
  }

  #refusal(key: string): GatewayError | undefined {
    const waiting = this.#waitingByKey.get(key) ?? 0;
    if (waiting > this.#limits.maxWaitingPerKey) {
      // Before each of its own requests, one of every other key is served.
      const ahead = Math.min(this.size - 1, (waiting - 1) * this.#waitingByKey.size);
      return new GatewayError('queue_full', 'Too many requests of this key are already waiting.', {
        status: 429,
        retryAfter: this.#retryAfter(ahead),
      });
    }
    if (this.size <= this.#limits.maxWaiting) return undefined;
    return new GatewayError('queue_full', 'Too many requests are already waiting.', {
      retryAfter: this.#retryAfter(this.size - 1),
    });
  }

  #timeout(): GatewayError {
    return new GatewayError('queue_timeout', 'The request waited too long in the queue.', {
      retryAfter: this.#retryAfter(this.size),
    });
  }

  #retryAfter(ahead: number): number {
    return retryAfter(forecastBehind(ahead, this.#scheduler), this.#scheduler);
  }

  #leave(entry: Entry): void {
    this.#scheduler.remove(entry);
    this.#removeWaiter(entry);
  }

  #removeWaiter(entry: Entry): Waiter | undefined {
    const waiter = this.#waiters.get(entry);
    if (waiter === undefined) return undefined;
    waiter.stopWatching();
    this.#waiters.delete(entry);
    const { key } = entry.work;
    const waiting = (this.#waitingByKey.get(key) ?? 1) - 1;
    if (waiting > 0) this.#waitingByKey.set(key, waiting);
    else this.#waitingByKey.delete(key);
    return waiter;
  }
}
