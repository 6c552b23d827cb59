import type { Redis } from 'iovalkey';
import { RateLimiterMemory, RateLimiterRedis } from 'rate-limiter-flexible';
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

// The limits are compared by the limiter, since they change with the configuration: the library counts and forgets.
const options = { points: Number.MAX_SAFE_INTEGER, duration: 60, keyPrefix: 'llamaduct:limit' };

/**
 * Counts of this process.
 *
 * @param bound how many holders' windows are remembered; of days and months that are forgotten the ledger remains
 */
export function countInMemory(spent: Spent | undefined, bound = 10_000): Counts {
  const limiter = new RateLimiterMemory(options);
  // Two of each kind for every holder. Minutes must not push out days.
  const minutes = new Map<string, true>();
  const budgets = new Map<string, true>();

  const remember = (known: Map<string, true>, key: string): void => {
    known.delete(key);
    known.set(key, true);
    if (known.size <= 2 * bound) return;
    for (const oldest of known.keys()) {
      known.delete(oldest);
      void limiter.delete(oldest);
      return;
    }
  };
  const change = async (window: Window, points: number, now: number): Promise<number> => {
    const { key } = window;
    // The library's timers overflow after 24 days: what lasts longer has none and goes by the bound.
    const customDuration = isBudget(window) ? 0 : secondsLeft(window, now);
    remember(isBudget(window) ? budgets : minutes, key);
    return (await limiter.penalty(key, points, { customDuration })).consumedPoints;
  };
  const add = async (window: Window, points: number, now: number): Promise<number> => {
    const lost = isBudget(window) && spent !== undefined && !budgets.has(window.key);
    return change(window, lost ? spentBefore(window, spent) + Math.max(0, points) : points, now);
  };
  const usedOf = async (window: Window, now: number): Promise<number> => {
    if (isBudget(window) && spent !== undefined && !budgets.has(window.key)) return add(window, 0, now);
    return (await limiter.get(window.key))?.consumedPoints ?? 0;
  };
  return {
    used: (windows, now) => Promise.all(windows.map((window) => usedOf(window, now))),
    add,
    close() {
      for (const key of [...minutes.keys(), ...budgets.keys()]) void limiter.delete(key);
      minutes.clear();
      budgets.clear();
    },
  };
}

/** Counts that several processes share. Rejects where the server does not answer. */
export function countInValkey(valkey: Redis, spent: Spent | undefined): Counts {
  // Of this library only the class for Redis speaks a Lua that both Redis and Valkey understand.
  const limiter = new RateLimiterRedis({ ...options, storeClient: valkey });

  const start = async (window: Window, now: number): Promise<number> => {
    if (!isBudget(window) || spent === undefined) return 0;
    const before = spentBefore(window, spent);
    if (before > 0) await valkey.set(limiter.getKey(window.key), before, 'EX', secondsLeft(window, now), 'NX');
    return before;
  };
  return {
    async used(windows, now) {
      const counts = await valkey.mget(windows.map(({ key }) => limiter.getKey(key)));
      return Promise.all(
        windows.map(async (window, index) => {
          const count = counts[index];
          return typeof count === 'string' ? Number(count) : start(window, now);
        }),
      );
    },
    async add(window, points, now) {
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
