import type { Signal } from '../cancellation.ts';
import { GatewayError } from '../errors.ts';
import type { Entry, Outcome, Work } from './entry.ts';
import { type Forecast, forecastBehind, forecasts, retryAfter } from './forecast.ts';
import { Scheduler, type SchedulerOptions } from './scheduler.ts';

export interface FairQueueOptions extends SchedulerOptions {
  /** Requests that may wait. */
  readonly maxWaiting: number;
  /** Of them, of one key. */
  readonly maxWaitingPerKey: number;
}

export interface QueuedRequest extends Work {
  /** Leaves the queue at once when it aborts. */
  readonly signal: Signal;
  /** Milliseconds it may wait. Absent: until it starts. */
  readonly maxWait?: number;
  /** Whether it can only be served here by now. Absent: it may go elsewhere. */
  readonly isBound?: () => boolean;
}

/** The right to use the upstream, until `done`. */
export interface Ticket {
  /** Milliseconds that the request waited. */
  readonly waited: number;
  /** Must be called once the upstream is done with the request, however it went. Calling it again does nothing. */
  done(): void;
  /** What the request turned out to be, once that is known; not for one that failed, which tells nothing of others. */
  settle(outcome: Outcome): void;
}

interface Waiter {
  readonly since: number;
  readonly start: (ticket: Ticket) => void;
  readonly refuse: (reason: unknown) => void;
  readonly isBound: QueuedRequest['isBound'];
  /** Stops listening for what would make it leave. */
  stop: () => void;
}

/** The end of a timer's range in Node: what is above fires at once. */
const longestTimeout = 2 ** 31 - 1;
/** Milliseconds for which forecasts serve: many clients ask, and the order of all is known for the price of one. */
const forecastAge = 1000;

/** The requests in front of one upstream. */
export class FairQueue {
  readonly #limits: Pick<FairQueueOptions, 'maxWaiting' | 'maxWaitingPerKey'>;
  readonly #now: () => number;
  readonly #scheduler: Scheduler;
  readonly #waiters = new Map<Entry, Waiter>();
  readonly #waitingOf = new Map<string, number>();
  readonly #entries = new WeakMap<QueuedRequest, Entry>();
  #forecasts: { readonly of: ReadonlyMap<Entry, Forecast>; readonly at: number } | undefined;

  /** @param now milliseconds on a clock that never goes back */
  constructor(options: FairQueueOptions, now: () => number = () => performance.now()) {
    this.#limits = options;
    this.#now = now;
    this.#scheduler = new Scheduler(options);
  }

  /** Requests that wait. */
  get size(): number {
    return this.#scheduler.waiting;
  }

  /** Requests that the upstream has. */
  get inFlight(): number {
    return this.#scheduler.running;
  }

  /**
   * Waits for a turn. A request that is refused, timed out or aborted leaves nothing behind.
   *
   * @returns the ticket; from then on an abort is the caller's to see to
   * @throws {GatewayError} `queue_full`: 429 where the key has too many waiting, 503 where all have, both with
   *   Retry-After; `queue_timeout` after `maxWait`
   * @throws the signal's reason, or that of `dismiss`
   */
  async enter(request: QueuedRequest): Promise<Ticket> {
    return this.startAtOnce(request) ?? (await this.#wait(request));
  }

  /**
   * What `enter` begins with, without a promise.
   *
   * @returns the ticket of a request for which nobody has to wait; undefined for any other, of which nothing is left
   *   behind
   * @throws the signal's reason
   */
  startAtOnce(request: QueuedRequest): Ticket | undefined {
    request.signal.throwIfAborted();
    const started = this.#scheduler.startAtOnce(request);
    return started && this.#ticket(started, 0);
  }

  async #wait(request: QueuedRequest): Promise<Ticket> {
    const { key } = request;
    const { promise, resolve, reject } = Promise.withResolvers<Ticket>();
    const entry = this.#scheduler.add(request);
    const now = this.#now();
    const { isBound } = request;
    const waiter: Waiter = { since: now, start: resolve, refuse: reject, isBound, stop: () => undefined };
    this.#waiters.set(entry, waiter);
    this.#waitingOf.set(key, (this.#waitingOf.get(key) ?? 0) + 1);
    // By the same time, so that who starts at once has waited for exactly nothing.
    this.#pump(now);
    if (entry.state !== 'waiting') return await promise;
    // Whoever may start at once is never refused.
    const refusal = this.#refusal(key);
    if (refusal !== undefined) {
      this.#leave(entry);
      throw refusal;
    }
    this.#entries.set(request, entry);
    waiter.stop = this.#watch(request, (reason) => {
      this.#leave(entry);
      reject(reason);
      // What it held up may be able to start.
      this.#pump();
    });
    return await promise;
  }

  /** Tells which models the box holds in memory. */
  setLoaded(models: Iterable<string>): void {
    this.#scheduler.told(models);
    this.#pump();
  }

  /** Sends away who waits and may go elsewhere: it leaves nothing behind. @param reason what `enter` throws */
  refuseWaiting(reason: unknown): void {
    for (const [entry, { isBound, refuse }] of this.#waiters) {
      if (isBound?.() === true) continue;
      this.#leave(entry);
      refuse(reason);
    }
    // Those that stay may have been held up by others.
    this.#pump();
  }

  /** Whether a request waits. */
  isWaiting(request: QueuedRequest): boolean {
    return this.#entries.get(request)?.state === 'waiting';
  }

  /** Where a request stands, as of a second ago at most; undefined where it does not wait. */
  position(request: QueuedRequest): Forecast | undefined {
    const entry = this.#entries.get(request);
    if (entry?.state !== 'waiting') return undefined;
    const now = this.#now();
    if (this.#forecasts === undefined || now - this.#forecasts.at >= forecastAge) {
      this.#forecasts = { of: forecasts(this.#scheduler), at: now };
    }
    // One that came since is last until the next second.
    return this.#forecasts.of.get(entry) ?? forecastBehind(this.size - 1, this.#scheduler);
  }

  /** What a request that came now would have to wait for: its turn, and its model, in milliseconds. */
  delayFor(model: string): { wait: number; load: number } {
    const { pace, parallel, resident, running } = this.#scheduler;
    const load = model === '' || resident.includes(model) ? 0 : pace.load;
    const free = running < parallel && this.size === 0;
    return { wait: free ? 0 : forecastBehind(this.size, this.#scheduler).wait, load };
  }

  #pump(now = this.#now()): void {
    for (let entry = this.#scheduler.next(now); entry !== undefined; entry = this.#scheduler.next(now)) {
      const waiter = this.#forget(entry);
      waiter?.start(this.#ticket(entry, now - waiter.since));
    }
  }

  #ticket(entry: Entry, waited: number): Ticket {
    return {
      waited,
      done: () => {
        this.#scheduler.finish(entry, {});
        this.#pump();
      },
      settle: (outcome) => this.#scheduler.settle(entry, outcome),
    };
  }

  /** @returns a function that stops watching */
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
    const waiting = this.#waitingOf.get(key) ?? 0;
    if (waiting > this.#limits.maxWaitingPerKey) {
      // Each of its own lets one of every other key pass.
      const ahead = Math.min(this.size - 1, (waiting - 1) * this.#waitingOf.size);
      return new GatewayError('queue_full', 'Too many requests of this key are waiting already.', {
        status: 429,
        retryAfter: this.#retryAfter(ahead),
      });
    }
    if (this.size <= this.#limits.maxWaiting) return undefined;
    return new GatewayError('queue_full', 'Too many requests are waiting already.', {
      retryAfter: this.#retryAfter(this.size - 1),
    });
  }

  #timeout(): GatewayError {
    return new GatewayError('queue_timeout', 'The request waited too long for its turn.', {
      retryAfter: this.#retryAfter(this.size),
    });
  }

  #retryAfter(ahead: number): number {
    return retryAfter(forecastBehind(ahead, this.#scheduler));
  }

  #leave(entry: Entry): void {
    this.#scheduler.remove(entry);
    this.#forget(entry);
  }

  #forget(entry: Entry): Waiter | undefined {
    const waiter = this.#waiters.get(entry);
    if (waiter === undefined) return undefined;
    waiter.stop();
    this.#waiters.delete(entry);
    const { key } = entry.work;
    const waiting = (this.#waitingOf.get(key) ?? 1) - 1;
    if (waiting > 0) this.#waitingOf.set(key, waiting);
    else this.#waitingOf.delete(key);
    return waiter;
  }
}
