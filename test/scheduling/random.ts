/** Deterministic random numbers. */
export interface Random {
  /** From 0 to 1, exclusive. */
  readonly uniform: () => number;
  /** Time between arrivals of a Poisson process. */
  readonly exponential: (mean: number) => number;
  readonly lognormal: (mean: number, sigma: number) => number;
  /** An index with a probability in proportion to its weight. */
  readonly pick: (weights: readonly number[]) => number;
}

/** @see https://github.com/bryc/code/blob/master/jshash/PRNGs.md#mulberry32 */
export function random(seed: number): Random {
  let state = seed >>> 0;
  const uniform = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  const normal = (): number => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
  return {
    uniform,
    exponential: (mean) => -mean * Math.log(1 - uniform()),
    lognormal: (mean, sigma) => mean * Math.exp(sigma * normal() - sigma ** 2 / 2),
    pick: (weights) => {
      let left = uniform() * weights.reduce((sum, weight) => sum + weight, 0);
      for (const [index, weight] of weights.entries()) {
        left -= weight;
        if (left < 0) return index;
      }
      return weights.length - 1;
    },
  };
}
