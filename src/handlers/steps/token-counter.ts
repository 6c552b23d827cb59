/** Models that are remembered: more than anybody serves. */
const maxModels = 1_000;
/** The part of earlier measurements that counts with each new one, so that a changed template is learned. */
const decay = 0.98;
/** Tokens counted for each estimated one. Outside of this, the server did not count the whole prompt. */
const [minRatio, maxRatio] = [0.2, 5];

/** Sums over the measurements of a model: x is the estimate, y what its server counted. */
interface Sums {
  n: number;
  x: number;
  y: number;
  xx: number;
  xy: number;
}

/**
 * Counts the tokens of prompts without asking a server, after it has learned from the prompts that servers counted. To each
 * model it fits a line: the tokens of the template, and tokens for each estimated token.
 */
export class TokenCounter {
  /** The model that was learned last comes last. */
  readonly #models = new Map<string, Sums>();

  /**
   * Learns from a prompt that a server counted.
   *
   * @param estimated tokens, as `estimatedInputTokens` estimates them
   * @param counted tokens
   */
  learn(model: string, estimated: number, counted: number): void {
    if (!(counted >= estimated * minRatio && counted <= (estimated + 100) * maxRatio)) return;
    const sums = this.#models.get(model) ?? { n: 0, x: 0, y: 0, xx: 0, xy: 0 };
    const added = { n: 1, x: estimated, y: counted, xx: estimated * estimated, xy: estimated * counted };
    for (const name of Object.keys(added) as (keyof Sums)[]) sums[name] = sums[name] * decay + added[name];
    this.#models.delete(model);
    this.#models.set(model, sums);
    const [oldest] = this.#models.keys();
    if (this.#models.size > maxModels && oldest !== undefined) this.#models.delete(oldest);
  }

  /** @returns the tokens of a prompt; undefined for a model of which nothing was learned */
  count(model: string, estimated: number): number | undefined {
    const sums = this.#models.get(model);
    if (sums === undefined) return undefined;
    const { n, x, y, xx, xy } = sums;
    const spread = n * xx - x * x;
    const slope = (n * xy - x * y) / spread;
    const start = (y - slope * x) / n;
    // Prompts of nearly one length say nothing about others: the line would be arbitrary.
    const isLine = spread > 0.01 * n * xx && slope >= minRatio && slope <= maxRatio && start >= 0;
    return Math.round(isLine ? start + slope * estimated : (y / Math.max(x, 1)) * estimated);
  }
}
