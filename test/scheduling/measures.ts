import type { Job, Run } from './simulation.ts';

export interface Measures {
  readonly swaps: number;
  /** Over the whole run. */
  readonly tokensPerSecond: number;
  /** Seconds from arrival to the start of service, loading included. */
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
  readonly fairness: number;
}

/** Milliseconds in which a key runs so many requests that a single one has little influence. */
const fairnessWindow = 1_800_000;

/** @param duration milliseconds in which requests arrive */
export function measures({ jobs, swaps, end }: Run, duration: number): Measures {
  const waits = jobs.map(({ arrival, started }) => (started - arrival) / 1000).toSorted((a, b) => a - b);
  const at = (share: number): number => waits[Math.min(waits.length - 1, Math.floor(waits.length * share))] ?? 0;
  const tokens = jobs.reduce((sum, job) => sum + job.tokens, 0);
  return {
    swaps,
    tokensPerSecond: tokens / (end / 1000),
    p50: at(0.5),
    p99: at(0.99),
    max: at(1),
    fairness: fairness(jobs, duration, fairnessWindow),
  };
}

/**
 * Jain's index over the ratio of each key's service to its fair share, as the mean over the windows in which requests
 * arrived. A key's demand in a window is its waiting and running work at the beginning plus its arrivals; its service is
 * the part of its requests that ran in the window; its fair share is its max-min share of the service of all keys. A
 * window in which all demand was met says nothing about fairness and is left out; without any window the index is 1.
 *
 * @see https://arxiv.org/abs/cs/9809099 (Jain, Chiu and Hawe)
 */
export function fairness(jobs: readonly Job[], duration: number, window: number): number {
  const indices: number[] = [];
  for (let from = 0; from + window <= duration; from += window) {
    const got = perKey(jobs, (job) => ranWithin(job, from, from + window));
    const demand = perKey(jobs, (job) => (job.arrival < from + window ? job.tokens - ranWithin(job, 0, from) : 0));
    const all = sum(got.values());
    if (all > 0.99 * sum(demand.values())) continue;
    const fair = maxMin(demand, all);
    indices.push(jain([...fair].filter(([, share]) => share > 0).map(([key, share]) => (got.get(key) ?? 0) / share)));
  }
  return indices.length === 0 ? 1 : sum(indices) / indices.length;
}

export function jain(values: readonly number[]): number {
  const total = sum(values);
  const squares = sum(values.map((value) => value ** 2));
  return squares === 0 ? 1 : total ** 2 / (values.length * squares);
}

/** Max-min fair shares: no key gets more than its demand, nor less than another key unless it demands no more. */
export function maxMin(demand: ReadonlyMap<string, number>, capacity: number): Map<string, number> {
  const shares = new Map<string, number>();
  let left = capacity;
  for (const [index, [key, wanted]] of [...demand].toSorted(([, a], [, b]) => a - b).entries()) {
    const share = Math.min(wanted, left / (demand.size - index));
    shares.set(key, share);
    left -= share;
  }
  return shares;
}

/** Tokens of a job generated between two times. */
function ranWithin({ started, finished, tokens }: Job, from: number, to: number): number {
  const overlap = Math.min(finished, to) - Math.max(started, from);
  return overlap <= 0 ? 0 : (tokens * overlap) / (finished - started);
}

function perKey(jobs: readonly Job[], value: (job: Job) => number): Map<string, number> {
  const sums = new Map<string, number>();
  for (const job of jobs) sums.set(job.work.key, (sums.get(job.work.key) ?? 0) + value(job));
  return sums;
}

function sum(values: Iterable<number>): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}
