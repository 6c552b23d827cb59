import { GatewayError } from '../errors.ts';
import type { LimitSubject } from './subject.ts';
import { limitHeaders } from './headers.ts';
import { type LimitName, type Window, isBudget } from './window.ts';

const units = {
  requestsPerMinute: 'requests per minute',
  tokensPerMinute: 'tokens per minute',
  concurrent: 'concurrent requests',
  tokensPerDay: 'tokens per day',
  tokensPerMonth: 'tokens per month',
} as const satisfies Record<LimitName, string>;

/** @returns the error for a request beyond the `concurrent` limit */
export function tooMany(subject: LimitSubject, max: number): GatewayError {
  const message = `${reached('concurrent', max, subject)}. Try again when one of them has finished.`;
  return new GatewayError('rate_limit_exceeded', message, { retryAfter: 1 });
}

/** @returns the error for a request that needs more than the whole limit of a window */
export function neverFits(window: Window): GatewayError {
  const { limit, max, points, subject } = window;
  const message = `This request needs about ${points} tokens, but the limit of ${nameOf(subject)} is ${amount(limit, max)}. Shorten the prompt or request fewer tokens.`;
  return new GatewayError(codeOf(window), message);
}

/**
 * @param refused the window in which the request does not fit
 * @param used the counts without this request, in the order of `windows`
 * @returns the error for a request that fits again when the window ends
 */
export function refusal(
  refused: Window,
  windows: readonly Window[],
  used: readonly number[],
  now: number,
): GatewayError {
  const { limit, max, points, subject, end } = refused;
  const seconds = Math.max(1, Math.ceil((end - now) / 1000));
  const when = isBudget(refused) ? `after ${new Date(end).toISOString().slice(0, 10)}T00:00Z` : `in ${seconds} s`;
  const count = used[windows.indexOf(refused)] ?? 0;
  const needs = limit === 'requestsPerMinute' ? '' : `; ${count} are used, this request needs about ${points}`;
  const message = `${reached(limit, max, subject)}${needs}. Try again ${when}.`;
  const headers = limitHeaders(windows, used, now);
  return new GatewayError(codeOf(refused), message, { retryAfter: seconds, headers });
}

function codeOf(window: Window): 'insufficient_quota' | 'rate_limit_exceeded' {
  return isBudget(window) ? 'insufficient_quota' : 'rate_limit_exceeded';
}

function reached(limit: LimitName, max: number, subject: LimitSubject): string {
  return `The limit of ${nameOf(subject)} is reached: ${amount(limit, max)}`;
}

function amount(limit: LimitName, max: number): string {
  return `${max} ${max === 1 ? units[limit].replace(/s\b/, '') : units[limit]}`;
}

function nameOf({ id }: LimitSubject): string {
  return id.startsWith('group:') ? `group ${id.slice('group:'.length)}` : 'this key';
}
