import type { Redis } from 'iovalkey';
import { GatewayError } from '../errors.ts';
import type { LimitSubject } from './subject.ts';
import { type Counts, type Spent, countInMemory, countInValkey } from './counts.ts';
import { limitHeaders } from './headers.ts';
import { neverFits, refusal, tooMany } from './refusal.ts';
import { type LimitName, type Window, isBudget, movedTo, windowsOf } from './window.ts';

export interface LimiterOptions {
  /** Counts there, with all who share it; absent: in this process. */
  readonly valkey?: Redis;
  /** What to do while nothing can be counted: let everybody in, or nobody. */
  readonly whenDown: 'open' | 'closed';
  /** Tokens that days and months start with, so that they survive a restart. */
  readonly spent?: Spent;
  onRefused?(holder: LimitSubject, limit: LimitName): void;
  /** Told when counting starts to fail and when it works again, and of the first time. */
  onStore?(up: boolean): void;
  /** Told of each request that was decided without counting. */
  onUnchecked?(letIn: boolean): void;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
}

/** A request that was let in. */
export interface Reservation {
  /** x-ratelimit-* as OpenAI names them; none where neither requests nor tokens of a minute are limited. */
  readonly headers: Readonly<Record<string, string>>;
  /** Puts the tokens it really took in place of the estimate. Once; never throws. */
  settle(tokens: number): void;
}

const nothing = (): void => undefined;
const free: Reservation = { headers: {}, settle: nothing };

/** Seconds: a connection that was lost is back by then, or not soon. */
const storeRetryAfter = 5;

/** Holds keys and groups to their limits. Minutes are those of the clock, days and months those of UTC. */
export class Limiter {
  readonly #options: LimiterOptions;
  readonly #now: () => number;
  readonly #counts: Counts;
  /** Of holders that have any. */
  readonly #running = new Map<string, number>();
  #up: boolean | undefined;

  constructor(options: LimiterOptions) {
    const { valkey, spent, now = Date.now } = options;
    this.#options = options;
    this.#now = now;
    this.#counts = valkey === undefined ? countInMemory(spent) : countInValkey(valkey, spent);
  }

  /**
   * Takes a place among those that run at a time from every holder, or from nobody.
   *
   * @returns gives it back; calling it again does nothing
   * @throws {GatewayError} 429 rate_limit_exceeded
   */
  enterConcurrent(holders: readonly LimitSubject[]): () => void {
    const bounded = holders.filter(({ limits }) => limits.concurrent !== undefined);
    if (bounded.length === 0) return nothing;
    for (const holder of bounded) {
      const { concurrent = Infinity } = holder.limits;
      if ((this.#running.get(holder.id) ?? 0) >= concurrent) {
        throw this.#refused(holder, 'concurrent', tooMany(holder, concurrent));
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
   * Takes one request and its tokens from every holder, or nothing from anybody. Those that run are `enter`'s.
   *
   * @param tokens about how many of prompt and answer together
   * @throws {GatewayError} 429 rate_limit_exceeded, or insufficient_quota for a day or month, with retryAfter but for
   *   what can never pass; 503 store_unavailable where nothing can be counted and nobody is let in then
   */
  async reserve(holders: readonly LimitSubject[], tokens: number): Promise<Reservation> {
    const points = Math.max(1, Math.ceil(tokens));
    const now = this.#now();
    const windows = windowsOf(holders, points, now);
    if (windows.length === 0) return free;
    const tooSmall = windows.find((window) => window.points > window.max);
    if (tooSmall !== undefined) throw this.#refused(tooSmall.subject, tooSmall.limit, neverFits(tooSmall));

    let after: number[];
    try {
      // Adding is what decides. Looking first keeps those who are refused again and again from taking, for a moment,
      // what others could have had.
      this.#check(windows, await this.#counts.used(windows, now), now);
      after = await this.#counts.take(windows, now);
    } catch (error) {
      if (error instanceof GatewayError) throw error;
      return this.#unchecked(windows, error);
    }
    const before = after.map((count, index) => count - (windows[index]?.points ?? 0));
    try {
      this.#check(windows, before, now);
    } catch (error) {
      await this.#giveBack(windows, now);
      throw error;
    }
    this.#store(true);
    return { headers: limitHeaders(windows, after, now), settle: this.#settling(windows, points) };
  }

  /** Forgets what is counted in this process. */
  close(): void {
    this.#counts.close();
  }

  /** @throws {GatewayError} about the window that stays full for longest */
  #check(windows: readonly Window[], used: readonly number[], now: number): void {
    let worst: Window | undefined;
    for (const [index, window] of windows.entries()) {
      if ((used[index] ?? 0) + window.points <= window.max) continue;
      if (worst === undefined || window.end > worst.end) worst = window;
    }
    if (worst === undefined) return;
    this.#store(true);
    throw this.#refused(worst.subject, worst.limit, refusal(worst, windows, used, now));
  }

  async #giveBack(windows: readonly Window[], now: number): Promise<void> {
    await Promise.all(windows.map((window) => this.#change(window, -window.points, now)));
  }

  /** What came in without being counted is counted at its end, if it can be by then. */
  #unchecked(windows: readonly Window[], cause: unknown): Reservation {
    const letIn = this.#options.whenDown === 'open';
    this.#store(false);
    this.#options.onUnchecked?.(letIn);
    if (letIn) return { headers: {}, settle: this.#settling(windows, 0) };
    const message = 'Limits cannot be checked at the moment.';
    throw new GatewayError('store_unavailable', message, { cause, retryAfter: storeRetryAfter });
  }

  #settling(windows: readonly Window[], counted: number): (tokens: number) => void {
    return once((tokens: number) => {
      const difference = Math.max(0, Math.ceil(tokens)) - counted;
      if (!Number.isSafeInteger(difference) || difference === 0) return;
      const now = this.#now();
      for (const taken of windows) {
        if (taken.limit === 'requestsPerMinute') continue;
        // Too little asked for is paid in the minute that is now. What was too much is worth nothing in another one.
        const window = difference > 0 && !isBudget(taken) ? movedTo(now, taken) : taken;
        if (now < window.end) void this.#change(window, difference, now);
      }
    });
  }

  /** Never rejects. */
  async #change(window: Window, points: number, now: number): Promise<void> {
    try {
      await this.#counts.add(window, points, now);
    } catch {
      this.#store(false);
    }
  }

  #refused(holder: LimitSubject, limit: LimitName, error: GatewayError): GatewayError {
    this.#options.onRefused?.(holder, limit);
    return error;
  }

  #store(up: boolean): void {
    if (this.#up === up) return;
    this.#up = up;
    this.#options.onStore?.(up);
  }
}

function once<A extends unknown[]>(act: (...args: A) => void): (...args: A) => void {
  let done = false;
  return (...args) => {
    if (done) return;
    done = true;
    act(...args);
  };
}
