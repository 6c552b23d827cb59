import type { Entry } from './entry.ts';
import type { Scheduler } from './scheduler.ts';

/** The expected start of a waiting request, if no request comes or leaves. */
export interface Forecast {
  /** 1 for the next request in the fair order. */
  readonly position: number;
  /** Milliseconds. */
  readonly wait: number;
}

/**
 * Assumes that requests are served in order at the recent pace and that each model is loaded once. O(n log n).
 *
 * @returns the forecasts of all waiting requests
 */
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

/** @returns the forecast of a request with `ahead` requests before it; O(1), loading not included */
export function forecastBehind(ahead: number, scheduler: Scheduler): Forecast {
  const wait = untilFree(scheduler) + (ahead * scheduler.pace.service) / scheduler.parallel;
  return { position: ahead + 1, wait };
}

/** Most seconds as long as no request was served: an assumed pace would make minutes of a short queue. */
const maxWhileUnknown = 5;

/** @returns a Retry-After value in seconds, from 1 to 60 */
export function retryAfter({ wait }: Forecast, { pace }: Pick<Scheduler, 'pace'>): number {
  return Math.min(pace.isKnown ? 60 : maxWhileUnknown, Math.max(1, Math.ceil(wait / 1000)));
}

function untilFree({ pace, parallel, running }: Scheduler): number {
  return running < parallel ? 0 : pace.service / parallel;
}
