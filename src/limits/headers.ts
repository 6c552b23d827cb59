import type { Window } from './window.ts';

const families = [
  ['requests', 'requestsPerMinute'],
  ['tokens', 'tokensPerMinute'],
] as const;

/**
 * What is left of the minute, as OpenAI tells it: of each kind for the holder that has the least left.
 *
 * @param used of each window, in their order
 * @see https://platform.openai.com/docs/guides/rate-limits#rate-limits-in-headers
 */
export function limitHeaders(windows: readonly Window[], used: readonly number[], now: number): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [family, limit] of families) {
    let least = Infinity;
    for (const [index, window] of windows.entries()) {
      if (window.limit !== limit) continue;
      const remaining = Math.max(0, window.max - (used[index] ?? 0));
      if (remaining >= least) continue;
      least = remaining;
      headers[`x-ratelimit-limit-${family}`] = String(window.max);
      headers[`x-ratelimit-remaining-${family}`] = String(remaining);
      headers[`x-ratelimit-reset-${family}`] = toDuration(window.end - now);
    }
  }
  return headers;
}

/** `1s`, `6m0s` */
function toDuration(milliseconds: number): string {
  const seconds = Math.max(0, Math.ceil(milliseconds / 1000));
  return seconds < 60 ? `${seconds}s` : `${Math.floor(seconds / 60)}m${seconds % 60}s`;
}
