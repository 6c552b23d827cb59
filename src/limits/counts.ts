import type { Redis } from 'iovalkey';
import { type Window, isBudget } from './window.ts';

/** What a holder spent since a moment in milliseconds since the epoch, in tokens. */
export type Spent = (holderId: string, since: number) => number;

/** A promise only where something has to be waited for: those of a small request cost as much as counting it. */
type Soon<T> = T | Promise<T>;

/** Where what is used of each window is counted. */
export interface Counts {
  /** What is used of each, in their order. Days and months that are not there start with what the ledger knows. */
  used(windows: readonly Window[], now: number): Soon<number[]>;
  /**
   * Adds to each what is asked of it, at once for all of its process; to none where one fails.
   *
   * @returns what is then used of each, in their order
   */
  take(windows: readonly Window[], now: number): Soon<number[]>;
  /**
   * Adds to one, whose count may have been lost: giving back makes none less than nothing. Of days and months that are not
   * there nothing is given back: the ledger they start with never held what was asked for.
   *
   * @returns what is then used of it
   */
  add(window: Window, points: number, now: number): Soon<number>;
  close(): void;
}

/**
 * Counts of this process.
 *
 * @param bound how many holders' windows are remembered; of days and months that are forgotten the ledger remains
 */
export function countInMemory(spent: Spent | undefined, bound = 10_000): Counts {
  // Two of each kind for every holder. Minutes must not push out days.
  const minutes = new Map<string, number>();
  const budgets = new Map<string, number>();

  const countsOf = (window: Window): Map<string, number> => (isBudget(window) ? budgets : minutes);
  const put = (window: Window, count: number): number => {
    const counts = countsOf(window);
    counts.set(window.key, count);
    if (counts.size > 2 * bound) counts.delete(counts.keys().next().value ?? '');
    return count;
  };
  const change = (window: Window, points: number): number => {
    const count = countsOf(window).get(window.key);
    if (count !== undefined || spent === undefined || !isBudget(window))
      return put(window, Math.max(0, (count ?? 0) + points));
    return put(window, spentBefore(window, spent) + Math.max(0, points));
  };
  const usedOf = (window: Window): number => countsOf(window).get(window.key) ?? change(window, 0);
  return {
    used: (windows) => windows.map(usedOf),
    take(windows) {
      // What can fail first.
      windows.forEach(usedOf);
      return windows.map((window) => change(window, window.points));
    },
    add: change,
    close() {
      minutes.clear();
      budgets.clear();
    },
  };
}

/** Counts that several processes share. Rejects where the server does not answer. */
export function countInValkey(valkey: Redis, spent: Spent | undefined): Counts {
  // The limits are compared by the limiter, since they change with the configuration: the library counts and forgets. Of
  // it only the class for Redis speaks a Lua that both Redis and Valkey understand.
  const options = { points: Number.MAX_SAFE_INTEGER, duration: 60, keyPrefix: 'llamaduct:limit' };
  // Loaded where it is needed: it takes memory.
  const loading = import('rate-limiter-flexible').then(
    ({ RateLimiterRedis }) => new RateLimiterRedis({ ...options, storeClient: valkey }),
  );

  const start = async (window: Window, now: number): Promise<number> => {
    if (!isBudget(window) || spent === undefined) return 0;
    const before = spentBefore(window, spent);
    if (before > 0) await valkey.set((await loading).getKey(window.key), before, 'EX', secondsLeft(window, now), 'NX');
    return before;
  };
  const add = async (window: Window, points: number, now: number): Promise<number> => {
    const limiter = await loading;
    // The server may have lost it since it was looked at.
    if (isBudget(window) && spent !== undefined && (await valkey.exists(limiter.getKey(window.key))) === 0) {
      const before = await start(window, now);
      if (points < 0) return before;
    }
    const customDuration = secondsLeft(window, now);
    const { consumedPoints } = await limiter.penalty(window.key, points, { customDuration });
    return consumedPoints < 0 ? await add(window, -consumedPoints, now) : consumedPoints;
  };
  return {
    add,
    async used(windows, now) {
      const limiter = await loading;
      const counts = await valkey.mget(windows.map(({ key }) => limiter.getKey(key)));
      return Promise.all(
        windows.map(async (window, index) => {
          const count = counts[index];
          return typeof count === 'string' ? Number(count) : start(window, now);
        }),
      );
    },
    async take(windows, now) {
      const results = await Promise.allSettled(windows.map((window) => add(window, window.points, now)));
      const failed = results.find((result) => result.status === 'rejected');
      if (failed === undefined) return results.map((result) => (result.status === 'fulfilled' ? result.value : 0));
      for (const [index, window] of windows.entries()) {
        if (results[index]?.status === 'fulfilled') void add(window, -window.points, now).catch(() => undefined);
      }
      throw failed.reason;
    },
    // The connection is whoever's made it.
    close: () => undefined,
  };
}

function spentBefore({ subject, start }: Window, spent: Spent): number {
  return Math.max(0, Math.ceil(spent(subject.id, start)));
}

/** A little more than is left, for clocks that differ. */
function secondsLeft({ end }: Window, now: number): number {
  return Math.max(0, Math.ceil((end - now) / 1000)) + 5;
}
