import type { Redis } from 'iovalkey';
import { type Window, isBudget } from './window.ts';

/** What a holder spent since a moment in milliseconds since the epoch, in tokens. */
export type Spent = (holderId: string, since: number) => number;

/** Where what is used of each window is counted. */
export interface Counts {
  /** What is used of each, in their order. Days and months that are not there start with what the ledger knows. */
  used(windows: readonly Window[], now: number): Promise<number[]>;
  /**
   * Adds to one, at once for all of its process. Of days and months that are not there nothing is given back: the ledger
   * they start with never held what was asked for.
   *
   * @returns what is then used of it
   */
  add(window: Window, points: number, now: number): Promise<number>;
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
    const [oldest = ''] = counts.size > 2 * bound ? counts.keys() : [];
    counts.delete(oldest);
    return count;
  };
  const change = (window: Window, points: number): number => {
    const count = countsOf(window).get(window.key);
    if (count !== undefined || spent === undefined || !isBudget(window)) return put(window, (count ?? 0) + points);
    return put(window, spentBefore(window, spent) + Math.max(0, points));
  };
  return {
    used: async (windows) => windows.map((window) => countsOf(window).get(window.key) ?? change(window, 0)),
    add: async (window, points) => change(window, points),
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
  return {
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
    async add(window, points, now) {
      const limiter = await loading;
      // The server may have lost it since it was looked at.
      if (isBudget(window) && spent !== undefined && (await valkey.exists(limiter.getKey(window.key))) === 0) {
        const before = await start(window, now);
        if (points < 0) return before;
      }
      const customDuration = secondsLeft(window, now);
      return (await limiter.penalty(window.key, points, { customDuration })).consumedPoints;
    },
    // The connection is whoever's made it.
    close: () => undefined,
  };
}

function spentBefore({ holder, start }: Window, spent: Spent): number {
  return Math.max(0, Math.ceil(spent(holder.id, start)));
}

/** A little more than is left, for clocks that differ. */
function secondsLeft({ end }: Window, now: number): number {
  return Math.max(0, Math.ceil((end - now) / 1000)) + 5;
}
