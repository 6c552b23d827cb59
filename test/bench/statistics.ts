/** @returns the smallest value v such that at least this share of the values is at most v; NaN when there are none */
export function percentile(values: readonly number[], share: number): number {
  return ofSorted(Float64Array.from(values).toSorted(), share);
}

function ofSorted(sorted: Float64Array, share: number): number {
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? NaN;
}

/** @returns the middle value, or the mean of the two middle values; NaN when there are none */
export function median(values: readonly number[]): number {
  const sorted = Float64Array.from(values).toSorted();
  const middle = sorted.length >> 1;
  const [below = NaN, above = NaN] = [sorted[middle - 1], sorted[middle]];
  return sorted.length % 2 === 1 ? above : (below + above) / 2;
}

/** Percentiles of many values. */
export interface Spread {
  readonly count: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

export function spreadOf(values: readonly number[]): Spread {
  const sorted = Float64Array.from(values).toSorted();
  return { count: sorted.length, p50: ofSorted(sorted, 0.5), p99: ofSorted(sorted, 0.99), max: ofSorted(sorted, 1) };
}

/** A median, and the least and greatest of its values. */
export interface Middle {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

/** @returns the median of the values that are finite numbers; undefined when there are none */
export function middleOf(values: readonly (number | undefined)[]): Middle | undefined {
  const known = values.filter((value) => value !== undefined && Number.isFinite(value)) as number[];
  if (known.length === 0) return undefined;
  return { median: median(known), least: Math.min(...known), most: Math.max(...known) };
}

/** @returns the median of the ratios of each round: what slows a round down affects both values */
export function pairedRatios(
  ours: readonly (number | undefined)[],
  theirs: readonly (number | undefined)[],
): Middle | undefined {
  return middleOf(ours.map((value, round) => (value ?? NaN) / (theirs[round] ?? NaN)));
}

/** @returns the median of the differences of each round, see {@link pairedRatios} */
export function pairedDifferences(
  ours: readonly (number | undefined)[],
  theirs: readonly (number | undefined)[],
): Middle | undefined {
  return middleOf(ours.map((value, round) => (value ?? NaN) - (theirs[round] ?? NaN)));
}
