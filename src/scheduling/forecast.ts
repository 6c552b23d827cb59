import type { Entry } from './entry.ts';
import type { Scheduler } from './scheduler.ts';

/** What a waiting request may expect, if nobody else comes or leaves. */
export interface Forecast {
  /** 1 for the next in the fair order. */
  readonly position: number;
  /** Milliseconds. */
  readonly wait: number;
}

/** For all who wait: those ahead one after the other as fast as of late, each model being loaded once. O(n log n). */
export function forecasts(scheduler: Scheduler): Map<Entry, Forecast> {
  const { pace } = scheduler;
  const loaded = new Set(scheduler.resident);
  const forecast = new Map<Entry, Forecast>();
  let wait = untilFree(scheduler);
  for (const entry of scheduler.ranking()) {
    const { model } = entry.work;
    if (model !== '' && !loaded.has(model)) wait += pace.load;
    loaded.add(model);
    forecast.set(entry, { position: forecast.size + 1, wait });
    wait += pace.expected(entry.cost) / scheduler.parallel;
  }
  return forecast;
}

/** What to expect behind so many of the waiting. */
export function forecastBehind(ahead: number, scheduler: Scheduler): Forecast {
  const wait = untilFree(scheduler) + (ahead * scheduler.pace.service) / scheduler.parallel;
  return { position: ahead + 1, wait };
}

/** Seconds to tell a client that is to come back: 1 to 60. */
export function retryAfter({ wait }: Forecast): number {
  return Math.min(60, Math.max(1, Math.ceil(wait / 1000)));
}

function untilFree({ pace, parallel, running }: Scheduler): number {
  return running < parallel ? 0 : pace.service / parallel;
}
