import type { Redis } from 'iovalkey';
import { GatewayError } from '../errors.ts';
import { type Counts, type Spent, countInMemory, countInValkey } from './counts.ts';
import { limitHeaders } from './headers.ts';
import { neverFits, refusal, tooMany } from './refusal.ts';
import type { LimitSubject } from './subject.ts';
import { type LimitName, type Window, type WindowLimit, currentWindow, isBudget, windowsOf } from './window.ts';

export interface LimiterOptions {
  /** The store in which all instances count together. Absent: each process counts for itself. */
  readonly valkey?: Redis;
  /** While counting fails, `open` admits every request, and `closed` refuses every request. */
  readonly whenDown: 'open' | 'closed';
  /** Initial counts of days and months, so that they survive a restart. */
  readonly spent?: Spent;
  onRefused?(subject: LimitSubject, limit: LimitName): void;
  /** Called after each attempt to count. @param failure what went wrong, if anything did */
  onCounted?(failure?: unknown): void;
  /** Called for each request that was decided without counting. */
  onUnchecked?(letIn: boolean): void;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
}

/** One limit of a key or group, as it stands. */
export interface LimitState {
  readonly subject: LimitSubject;
  readonly limit: WindowLimit;
  readonly max: number;
  /** Undefined while counting fails. */
  readonly used: number | undefined;
  /** The time at which the count starts again at 0, in milliseconds since the epoch. */
  readonly end: number;
}

/** The limits' share of an admitted request. */
export interface Reservation {
  /** The x-ratelimit-* headers; empty when no subject has a limit per minute, day or month. */
  readonly headers: Readonly<Record<string, string>>;
  /** Replaces the estimate by the tokens that were used. Further calls do nothing. Never throws. */
  settle(tokens: number): void;
}

const noop = (): void => undefined;
const unlimited: Reservation = { headers: {}, settle: noop };

/** Seconds: a lost connection is usually back within that time. */
const storeRetryAfter = 5;

/** Enforces the limits of keys and groups. Minutes are the clock's, days and months are UTC's. */
export class Limiter {
  readonly #options: LimiterOptions;
  readonly #now: () => number;
  readonly #counts: Counts;
  /** Running requests by subject id, of subjects that have any. */
  readonly #running = new Map<string, number>();

  constructor(options: LimiterOptions) {
    const { valkey, spent, now = Date.now } = options;
    this.#options = options;
    this.#now = now;
    this.#counts = valkey === undefined ? countInMemory(spent) : countInValkey(valkey, spent);
  }

  /**
   * Counts one more running request for every subject, or for none of them.
   *
   * @returns a function that ends the request; further calls do nothing
   * @throws {GatewayError} 429 rate_limit_exceeded
   */
  enterConcurrent(subjects: readonly LimitSubject[]): () => void {
    const bounded = subjects.filter(({ limits }) => limits.concurrent !== undefined);
    if (bounded.length === 0) return noop;
    for (const subject of bounded) {
      const { concurrent = Infinity } = subject.limits;
      if ((this.#running.get(subject.id) ?? 0) >= concurrent) {
        throw this.#refused(subject, 'concurrent', tooMany(subject, concurrent));
      }
    }
    for (const { id } of bounded) this.#running.set(id, (this.#running.get(id) ?? 0) + 1);
    return once(() => {
      for (const { id } of bounded) {
        const left = (this.#running.get(id) ?? 0) - 1;
        if (left > 0) this.#running.set(id, left);
        else this.#running.delete(id);
      }
    });
  }

  /**
   * Reserves one request and its tokens from every subject, or nothing from any of them. Concurrency is counted by
   * `enterConcurrent`.
   *
   * @param tokens estimate of prompt and answer together
   * @throws {GatewayError} 429 rate_limit_exceeded, or insufficient_quota for a day or month; with retryAfter, unless
   *   the request can never fit. 503 store_unavailable when counting fails and `whenDown` is `closed`
   */
  async reserve(subjects: readonly LimitSubject[], tokens: number): Promise<Reservation> {
    const points = Math.max(1, Math.ceil(tokens));
    const now = this.#now();
    const windows = windowsOf(subjects, points, now);
    if (windows.length === 0) return unlimited;
    const tooSmall = windows.find((window) => window.points > window.max);
    if (tooSmall !== undefined) throw this.#refused(tooSmall.subject, tooSmall.limit, neverFits(tooSmall));
    let used: number[];
    try {
      used = await this.#counts.reserve(windows, now);
    } catch (error) {
      return this.#unchecked(windows, error);
    }
    this.#options.onCounted?.();
    const full = longestFull(windows, used);
    if (full !== undefined) throw this.#refused(full.subject, full.limit, refusal(full, windows, used, now));
    const after = used.map((count, index) => count + (windows[index]?.points ?? 0));
    return { headers: limitHeaders(windows, after, now), settle: this.#settler(windows, points) };
  }

  /** @returns the number of running requests of a subject that has a limit for it; 0 for others */
  running({ id }: LimitSubject): number {
    return this.#running.get(id) ?? 0;
  }

  /** @returns the limits per minute, day and month of every subject. Never rejects. */
  async state(subjects: readonly LimitSubject[]): Promise<LimitState[]> {
    const windows = windowsOf(subjects, 0, this.#now());
    if (windows.length === 0) return [];
    const used = await this.#read(windows);
    return windows.map(({ subject, limit, max, end }, index) => ({ subject, limit, max, used: used[index], end }));
  }

  async #read(windows: readonly Window[]): Promise<readonly number[]> {
    try {
      const used = await this.#counts.read(windows);
      this.#options.onCounted?.();
      return used;
    } catch (error) {
      this.#options.onCounted?.(error);
      return [];
    }
  }

  /** Forgets the counts of this process. */
  close(): void {
    this.#counts.close();
  }

  /** Decides without counting. An admitted request is counted when it ends, if counting works again by then. */
  #unchecked(windows: readonly Window[], cause: unknown): Reservation {
    const admitted = this.#options.whenDown === 'open';
    this.#options.onCounted?.(cause);
    this.#options.onUnchecked?.(admitted);
    if (admitted) return { headers: {}, settle: this.#settler(windows, 0) };
    const message = 'Limits cannot be checked at the moment.';
    throw new GatewayError('store_unavailable', message, { cause, retryAfter: storeRetryAfter });
  }

  /** @param reserved tokens that are already in the counts */
  #settler(windows: readonly Window[], reserved: number): (tokens: number) => void {
    return once((tokens: number) => {
      const difference = Math.max(0, Math.ceil(tokens)) - reserved;
      if (!Number.isSafeInteger(difference) || difference === 0) return;
      const now = this.#now();
      for (const window of windows) {
        if (window.limit === 'requestsPerMinute') continue;
        // Tokens beyond the estimate count in the current minute. Unused tokens cannot be given back to another minute.
        const charged = difference > 0 && !isBudget(window) ? currentWindow(window, now) : window;
        if (now < charged.end) void this.#add(charged, difference, now);
      }
    });
  }

  /** Never rejects. */
  async #add(window: Window, points: number, now: number): Promise<void> {
    try {
      await this.#counts.add(window, points, now);
    } catch (error) {
      this.#options.onCounted?.(error);
    }
  }

  #refused(subject: LimitSubject, limit: LimitName, error: GatewayError): GatewayError {
    this.#options.onRefused?.(subject, limit);
    return error;
  }
}

/**
 * @returns the window that stays full for longest, of those in which the request does not fit; undefined if it fits in
 *   all
 */
function longestFull(windows: readonly Window[], used: readonly number[]): Window | undefined {
  let longest: Window | undefined;
  for (const [index, window] of windows.entries()) {
    if ((used[index] ?? 0) + window.points <= window.max) continue;
    if (longest === undefined || window.end > longest.end) longest = window;
  }
  return longest;
}

function once<A extends unknown[]>(act: (...args: A) => void): (...args: A) => void {
  let done = false;
  return (...args) => {
    if (done) return;
    done = true;
    act(...args);
  };
}
