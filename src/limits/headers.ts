import type { Window } from './window.ts';

const families = (['requests', 'tokens'] as const).map((family) => ({
  windowLimit: `${family}PerMinute` as const,
  limit: `x-ratelimit-limit-${family}`,
  remaining: `x-ratelimit-remaining-${family}`,
  reset: `x-ratelimit-reset-${family}`,
}));

/**
 * OpenAI's rate limit headers for requests and for tokens per minute, each for the subject that has the least left.
 *
 * @param used the counts, in the order of the windows
 * @returns header values by name; empty without limits per minute
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

/** `1s`, `6m0s` */
function toDuration(milliseconds: number): string {
  const seconds = Math.max(0, Math.ceil(milliseconds / 1000));
  return seconds < 60 ? `${seconds}s` : `${Math.floor(seconds / 60)}m${seconds % 60}s`;
}
