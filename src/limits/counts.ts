import type { Redis } from 'iovalkey';
import { type Window, isBudget } from './window.ts';

/**
 * Tokens that a subject has used since a time, by the usage ledger.
 *
 * @param subjectId `key:NAME` or `group:NAME`
 * @param since milliseconds since the epoch
 */
export type Spent = (subjectId: string, since: number) => number;

/** Not always a promise: for a small request, awaiting one costs as much as the counting. */
type MaybePromise<T> = T | Promise<T>;

/**
 * The counts behind the limits, one for each window. A day or month that has no count yet starts with the ledger's sum.
 */
export interface Counts {
  /**
   * Adds the points of each window to its count, or adds nothing if one of them would exceed its limit.
   *
   * @returns the counts before, in the order of the windows
   */
  reserve(windows: readonly Window[], now: number): MaybePromise<number[]>;
  /**
   * Adds points to one count whatever its limit; the count stays at 0 or above. A negative amount is ignored when the
   * count was lost: neither 0 nor the ledger's sum includes what would be given back.
   */
  add(window: Window, points: number, now: number): MaybePromise<void>;
  /** @returns the counts in the order of the windows */
  read(windows: readonly Window[]): MaybePromise<number[]>;
  close(): void;
}

/**
 * Counts in this process.
 *
 * @param bound subjects whose windows are remembered; a day or month that is evicted starts again with the ledger's sum
 */
export function countInMemory(spent: Spent | undefined, bound = 10_000): Counts {
  // Two limits of each kind per subject. Minutes must not evict days and months.
  const minutes = new Map<string, number>();
  const budgets = new Map<string, number>();

  const countsOf = (window: Window): Map<string, number> => (isBudget(window) ? budgets : minutes);
  const set = (window: Window, count: number): number => {
    const counts = countsOf(window);
    counts.set(window.key, count);
    if (counts.size > 2 * bound) counts.delete(counts.keys().next().value ?? '');
    return count;
  };
  const add = (window: Window, points: number): void => {
    const count = countsOf(window).get(window.key);
    if (count === undefined) set(window, initialCount(window, spent) + Math.max(0, points));
    else set(window, Math.max(0, count + points));
  };
  const read = (windows: readonly Window[]): number[] =>
    windows.map((window) => countsOf(window).get(window.key) ?? set(window, initialCount(window, spent)));
  return {
    read,
    reserve(windows) {
      const used = read(windows);
      const fits = windows.every(({ points, max }, index) => (used[index] ?? 0) + points <= max);
      if (fits) for (const window of windows) add(window, window.points);
      return used;
    },
    add,
    close() {
      minutes.clear();
      budgets.clear();
    },
  };
}

/**
 * KEYS are counts; ARGV has four values for each: points to add, the limit, seconds to live, and the initial count of a
 * missing key. Returns the counts before, or nothing if a key is missing and its initial count is empty.
 */
const addIfAllFit = `
local counts, changes, fits = {}, {}, true
for i, key in ipairs(KEYS) do
  local points, max, seconds, initial = tonumber(ARGV[4 * i - 3]), tonumber(ARGV[4 * i - 2]), ARGV[4 * i - 1], ARGV[4 * i]
  local count = redis.call('GET', key)
  if not count then
    if initial == '' then return false end
    redis.call('SET', key, initial, 'EX', seconds)
    count, points = initial, math.max(0, points)
  end
  counts[i] = tonumber(count)
  changes[i] = math.max(points, 0 - counts[i]) -- Not -counts[i]: INCRBY takes no -0.
  fits = fits and counts[i] + points <= max
end
if fits then
  for i, key in ipairs(KEYS) do redis.call('INCRBY', key, changes[i]) end
end
return counts`;

/** Counts that several processes share. Its functions reject when the server does not answer. */
export function countInValkey(valkey: Redis, spent: Spent | undefined): Counts {
  const run = async (
    windows: readonly Window[],
    now: number,
    initial: (window: Window) => number | '',
  ): Promise<number[] | null> => {
    const keys = windows.map(storageKey);
    const values = windows.flatMap((window) => [window.points, window.max, secondsLeft(window, now), initial(window)]);
    return (await valkey.eval(addIfAllFit, keys.length, ...keys, ...values)) as number[] | null;
  };
  const reserve = async (windows: readonly Window[], now: number): Promise<number[]> => {
    // The ledger is read only when a day or month has no count.
    const counts = await run(windows, now, (window) => (isBudget(window) && spent !== undefined ? '' : 0));
    return counts ?? (await run(windows, now, (window) => initialCount(window, spent))) ?? [];
  };
  return {
    reserve,
    async add(window, points, now) {
      await reserve([{ ...window, points, max: Number.MAX_SAFE_INTEGER }], now);
    },
    async read(windows) {
      const counts = await valkey.mget(windows.map(storageKey));
      return windows.map((window, index) => {
        const count = counts[index] ?? undefined;
        return count === undefined ? initialCount(window, spent) : Number(count);
      });
    },
    // The caller owns the connection.
    close: () => undefined,
  };
}

function storageKey({ key }: Window): string {
  return `llamaduct:limit:${key}`;
}

function initialCount(window: Window, spent: Spent | undefined): number {
  if (spent === undefined || !isBudget(window)) return 0;
  return Math.max(0, Math.ceil(spent(window.subject.id, window.start)));
}

/** A little more than is left, because clocks differ. */
function secondsLeft({ end }: Window, now: number): number {
  return Math.max(0, Math.ceil((end - now) / 1000)) + 5;
}
