import type { Countable } from '../../chat/countable.ts';

/** Models that are remembered: more than anybody serves. */
const maxModels = 1_000;
/** The part of earlier measurements that counts with each new one, so that a changed template is learned. */
const decay = 0.98;
/** Prompts that are all learned from. After them it is one in `sparse`, because each has to be looked at as a whole. */
const dense = 50;
const sparse = 8;
/** Tokens counted for each estimated one. Outside of this, the server did not count the whole prompt. */
const [minRatio, maxRatio] = [0.2, 5];
/** Images that are remembered for each model, those of one prompt as one. */
const maxMedia = 32;

/** Sums over the measurements of a model: x is the estimate, y what its server counted. */
interface Sums {
  n: number;
  x: number;
  y: number;
  xx: number;
  xy: number;
}

interface Learned {
  readonly sums: Sums;
  /** Prompts that could be learned from, so far. */
  seen: number;
  /** Tokens of the images and recordings of a prompt, by `Countable.media`. Those that were counted last come last. */
  readonly media: Map<string, number>;
}

/**
 * Counts the tokens of prompts without asking a server, after it has learned from the prompts that servers counted. To each
 * model it fits a line: the tokens of the template, and tokens for each estimated token.
 */
export class TokenCounter {
  /** The model that was learned last comes last. */
  readonly #models = new Map<string, Learned>();
  /** The first counts of models that are under way: no more than requests. */
  readonly #firstCounts = new Map<string, Promise<boolean>>();

  /** @returns true for a model whose next prompt should be learned from. Each call is taken for a prompt */
  wants(model: string): boolean {
    const learned = this.#models.get(model);
    if (learned === undefined) return true;
    learned.seen += 1;
    return learned.seen <= dense || learned.seen % sparse === 0;
  }

  /**
   * Learns from a prompt that a server counted.
   *
   * @param counted tokens; 0 if the server does not count
   */
  learn(model: string, { tokens, media }: Countable, counted: number): void {
    const learned = this.#models.get(model) ?? newlyLearned();
    if (media !== '' && counted > 0) learnMedia(learned, { tokens, media }, counted);
    else if (counted >= tokens * minRatio && counted <= (tokens + 100) * maxRatio)
      learnText(learned.sums, tokens, counted);
    else if (counted !== 0) return;
    this.#models.delete(model);
    this.#models.set(model, learned);
    const [oldest] = this.#models.keys();
    if (this.#models.size > maxModels && oldest !== undefined) this.#models.delete(oldest);
  }

  /** @returns the tokens of a prompt; undefined for a model of which nothing was learned, and for other images */
  count(model: string, { tokens, media }: Countable): number | undefined {
    const learned = this.#models.get(model);
    if (learned === undefined) return undefined;
    const text = textOf(learned.sums, tokens);
    const more = media === '' ? 0 : learned.media.get(media);
    return more === undefined ? undefined : Math.round(text + more);
  }

  /**
   * @returns a promise that resolves when the first count of a model ends, with true if its client left before a server had
   *   counted; undefined if none is under way
   */
  firstCount(model: string): Promise<boolean> | undefined {
    return this.#firstCounts.get(model);
  }

  /** Notes that the first count of a model is under way. @returns a function to call at its end, whatever that is */
  beginFirstCount(model: string): (isLeft: boolean) => void {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    this.#firstCounts.set(model, promise);
    return (isLeft) => {
      this.#firstCounts.delete(model);
      resolve(isLeft);
    };
  }
}

function newlyLearned(): Learned {
  return { sums: { n: 0, x: 0, y: 0, xx: 0, xy: 0 }, seen: 1, media: new Map() };
}

function learnText(sums: Sums, x: number, y: number): void {
  const added = { n: 1, x, y, xx: x * x, xy: x * y };
  for (const name of Object.keys(added) as (keyof Sums)[]) sums[name] = sums[name] * decay + added[name];
}

/** Learns the tokens of images: what a prompt has more than its text. */
function learnMedia({ sums, media: known }: Learned, { tokens, media }: Countable, counted: number): void {
  known.delete(media);
  known.set(media, Math.max(counted - textOf(sums, tokens), 0));
  const [oldest] = known.keys();
  if (known.size > maxMedia && oldest !== undefined) known.delete(oldest);
}

function textOf({ n, x, y, xx, xy }: Sums, tokens: number): number {
  if (n === 0) return tokens;
  const spread = n * xx - x * x;
  const slope = (n * xy - x * y) / spread;
  const start = (y - slope * x) / n;
  // Prompts of nearly one length say nothing about others: the line would be arbitrary.
  const isLine = spread > 0.01 * n * xx && slope >= minRatio && slope <= maxRatio && start >= 0;
  return isLine ? start + slope * tokens : (y / Math.max(x, 1)) * tokens;
}
