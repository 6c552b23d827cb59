import type { Window, WindowLimit } from './window.ts';

const suffixes = {
  requestsPerMinute: 'requests',
  tokensPerMinute: 'tokens',
  tokensPerDay: 'tokens-day',
  tokensPerMonth: 'tokens-month',
} as const satisfies Record<WindowLimit, string>;

const families = (Object.keys(suffixes) as WindowLimit[]).map((windowLimit) => ({
  windowLimit,
  limit: `x-ratelimit-limit-${suffixes[windowLimit]}`,
  remaining: `x-ratelimit-remaining-${suffixes[windowLimit]}`,
  reset: `x-ratelimit-reset-${suffixes[windowLimit]}`,
}));

/**
 * OpenAI's rate limit headers for requests and for tokens per minute, and the same with `-day` and `-month` for budgets; each
 * for the subject that has the least left.
 *
 * @param used the counts, in the order of the windows
 * @returns header values by name; empty without limits
 * @see https://platform.openai.com/docs/guides/rate-limits#rate-limits-in-headers
 */
export function limitHeaders(windows: readonly Window[], used: readonly number[], now: number): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const family of families) {
    let least = Infinity;
    for (const [index, window] of windows.entries()) {
      if (window.limit !== family.windowLimit) continue;
      const remaining = Math.max(0, window.max - (used[index] ?? 0));
      if (remaining >= least) continue;
      least = remaining;
      headers[family.limit] = String(window.max);
      headers[family.remaining] = String(remaining);
      headers[family.reset] = toDuration(window.end - now);
    }
  }
  return headers;
}

/** `1s`, `6m0s`, `23h59m50s` */
function toDuration(milliseconds: number): string {
  const seconds = Math.max(0, Math.ceil(milliseconds / 1000));
  const minutes = Math.floor(seconds / 60);
  if (minutes === 0) return `${seconds}s`;
  if (minutes < 60) return `${minutes}m${seconds % 60}s`;
  return `${Math.floor(minutes / 60)}h${minutes % 60}m${seconds % 60}s`;
}
