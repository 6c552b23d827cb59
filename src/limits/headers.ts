import type { Window } from './window.ts';

const families = (['requests', 'tokens'] as const).map((family) => ({
  limited: `${family}PerMinute` as const,
  limit: `x-ratelimit-limit-${family}`,
  remaining: `x-ratelimit-remaining-${family}`,
  reset: `x-ratelimit-reset-${family}`,
}));

/**
 * What is left of the minute, as OpenAI tells it: of each kind for the holder that has the least left.
 *
 * @param used of each window, in their order
 * @see https://platform.openai.com/docs/guides/rate-limits#rate-limits-in-headers
 */
export function limitHeaders(windows: readonly Window[], used: readonly number[], now: number): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const names of families) {
    let least = Infinity;
    for (const [index, window] of windows.entries()) {
      if (window.limit !== names.limited) continue;
      const remaining = Math.max(0, window.max - (used[index] ?? 0));
      if (remaining >= least) continue;
      least = remaining;
      headers[names.limit] = String(window.max);
      headers[names.remaining] = String(remaining);
      headers[names.reset] = toDuration(window.end - now);
    }
  }
  return headers;
}

/** `1s`, `6m0s` */
function toDuration(milliseconds: number): string {
  const seconds = Math.max(0, Math.ceil(milliseconds / 1000));
  return seconds < 60 ? `${seconds}s` : `${Math.floor(seconds / 60)}m${seconds % 60}s`;
}
