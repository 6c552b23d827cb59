import type { LimitSubject, LimitSet } from './subject.ts';

/** The limits that are kept while requests run; `maxTokens` is a matter of the request alone. */
export type LimitName = Exclude<keyof LimitSet, 'maxTokens'>;
export type WindowLimit = Exclude<LimitName, 'concurrent'>;

/** One limit of one subject in the minute, day or month that is now. */
export interface Window {
  readonly subject: LimitSubject;
  readonly limit: WindowLimit;
  readonly max: number;
  /** What the request asks of it. */
  readonly points: number;
  /** Of its count: another for each minute, day or month, so that nothing late falls into the wrong one. */
  readonly key: string;
  /** Milliseconds since the epoch. */
  readonly start: number;
  readonly end: number;
}

const windowLimits = ['requestsPerMinute', 'tokensPerMinute', 'tokensPerDay', 'tokensPerMonth'] as const;

/** All that a request of `tokens` tokens counts in. */
export function windowsOf(holders: readonly LimitSubject[], tokens: number, now: number): Window[] {
  const windows: Window[] = [];
  for (const subject of holders) {
    for (const limit of windowLimits) {
      const max = subject.limits[limit];
      if (max !== undefined) windows.push(windowAt(subject, limit, max, tokens, now));
    }
  }
  return windows;
}

/** The window of the same limit that `now` is in. */
export function movedTo(now: number, window: Window): Window {
  return now < window.end ? window : windowAt(window.subject, window.limit, window.max, window.points, now);
}

/** Whether a window is a day or a month, of which the ledger knows too. */
export function isBudget({ limit }: Window): boolean {
  return limit === 'tokensPerDay' || limit === 'tokensPerMonth';
}

function windowAt(subject: LimitSubject, limit: WindowLimit, max: number, tokens: number, now: number): Window {
  const [start, end] = boundsOf(limit, now);
  const points = limit === 'requestsPerMinute' ? 1 : tokens;
  return { subject, limit, max, points, key: `${limit}:${subject.id}:${start}`, start, end };
}

const minute = 60_000;
const day = 86_400_000;

function boundsOf(limit: WindowLimit, now: number): [start: number, end: number] {
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
