import type { Timings, Usage } from './event.ts';
import type { TotalUsage } from './stream.ts';

/** Sums the tokens of all choices. The choices run in parallel, so each duration is the longest of its kind. */
export function sumUsage(parts: readonly TotalUsage[]): TotalUsage {
  const [first, ...others] = parts;
  if (first !== undefined && others.length === 0) return { usage: first.usage, timings: first.timings };
  const usages = parts.map(({ usage }) => usage);
  const timings = parts.map((part) => part.timings);
  return {
    usage: combine<Usage>(usages, ['inputTokens', 'outputTokens', 'cachedTokens', 'reasoningTokens'], (a, b) => a + b),
    timings: combine<Timings>(timings, ['load', 'promptEval', 'eval', 'total'], Math.max),
  };
}

/** A field that is absent in every part stays absent. */
function combine<Part extends object>(
  parts: readonly Part[],
  fields: readonly (keyof Part)[],
  add: (a: number, b: number) => number,
): { [Field in keyof Part]: number } {
  const sums: Partial<Record<keyof Part, number>> = {};
  for (const part of parts) {
    for (const field of fields) {
      const value = part[field] as number | undefined;
      const sum = sums[field];
      if (value !== undefined) sums[field] = sum === undefined ? value : add(sum, value);
    }
  }
  return sums as { [Field in keyof Part]: number };
}
