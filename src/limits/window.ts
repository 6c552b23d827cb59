import type { LimitSubject, LimitSet } from './subject.ts';

/** The limits that the limiter counts. `maxTokens` is none of them: it bounds each request by itself. */
export type LimitName = Exclude<keyof LimitSet, 'maxTokens'>;
export type WindowLimit = Exclude<LimitName, 'concurrent'>;

/** One limit of one subject in one minute, day or month. */
export interface Window {
  readonly subject: LimitSubject;
  readonly limit: WindowLimit;
  readonly max: number;
  /** Requests or tokens that the request adds to the count. */
  readonly points: number;
  /** Storage key of the count. It names the minute, day or month, so a late write cannot count in the next window. */
  readonly key: string;
  /** Milliseconds since the epoch. */
  readonly start: number;
  /** Milliseconds since the epoch. */
  readonly end: number;
}

const windowLimits = ['requestsPerMinute', 'tokensPerMinute', 'tokensPerDay', 'tokensPerMonth'] as const;

/** @returns every window that a request of `tokens` tokens counts in */
export function windowsOf(subjects: readonly LimitSubject[], tokens: number, now: number): Window[] {
  const windows: Window[] = [];
  for (const subject of subjects) {
    for (const limit of windowLimits) {
      const max = subject.limits[limit];
      const points = limit === 'requestsPerMinute' ? 1 : tokens;
      if (max !== undefined) windows.push(windowAt({ subject, limit, max, points }, now));
    }
  }
  return windows;
}

/** @returns the window of the same limit at `now` */
export function currentWindow(window: Window, now: number): Window {
  return now < window.end ? window : windowAt(window, now);
}

/** `requestsPerMinute` -> `requests_per_minute` */
export function settingName(limit: LimitName): string {
  return limit.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** True for days and months, which the usage ledger knows too. */
export function isBudget({ limit }: Window): boolean {
  return limit === 'tokensPerDay' || limit === 'tokensPerMonth';
}

type Bound = Pick<Window, 'subject' | 'limit' | 'max' | 'points'>;

function windowAt({ subject, limit, max, points }: Bound, now: number): Window {
  const [start, end] = intervalOf(limit, now);
  return { subject, limit, max, points, key: `${limit}:${subject.id}:${start}`, start, end };
}

const minute = 60_000;
const day = 86_400_000;

function intervalOf(limit: WindowLimit, now: number): [start: number, end: number] {
  switch (limit) {
    case 'requestsPerMinute':
    case 'tokensPerMinute':
      return [now - (now % minute), now - (now % minute) + minute];
    case 'tokensPerDay':
      return [now - (now % day), now - (now % day) + day];
    case 'tokensPerMonth': {
      const date = new Date(now);
      const [year, month] = [date.getUTCFullYear(), date.getUTCMonth()];
      return [Date.UTC(year, month), Date.UTC(year, month + 1)];
    }
    default:
      throw new Error(`no such limit: ${String(limit satisfies never)}`);
  }
}
