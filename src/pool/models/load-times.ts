import type { TotalUsage } from '../../chat/stream.ts';

/** Milliseconds for a request whose model is in memory, and for each token of its prompt: a CPU reads 20 tokens a second. */
const patience = { base: 120_000, perToken: 50 };
/** Milliseconds by which the patience grows, so that timers share their lists in Node. */
const step = 10_000;
/** Milliseconds for a load that was never measured. A large model on a slow disk takes minutes. */
const unmeasured = 600_000;
/** Milliseconds for a load that was measured: at least so many, and at least so many times as long as the slowest. */
const measured = { least: 30_000, factor: 3 };
/** Seconds of loading below which the model was in memory: Ollama also reports the time in its scheduler. */
const wasInMemory = 1;
/** Models that are remembered. A name that no server lists may be anything. */
const maxModels = 1_000;

/** Bounds how long one server may take to begin an answer, by what it reports about its memory and about loading. */
export class LoadTimes {
  /** Seconds of the slowest load, by model. */
  readonly #slowest = new Map<string, number>();
  /** Models that have answered and were in memory whenever the server listed those. */
  readonly #warm = new Set<string>();
  readonly #canonical: (model: string) => string;
  readonly #onLoad: ((model: string) => void) | undefined;
  #listsMemory = false;
  #answering = 0;
  #lastAnswerAt = -Infinity;

  /**
   * @param canonical returns the name under which the server lists a model
   * @param onLoad called when a model had to be loaded for an answer
   */
  constructor(canonical: (model: string) => string, onLoad?: (model: string) => void) {
    this.#canonical = canonical;
    this.#onLoad = onLoad;
  }

  /** @param models the models that the server has in memory now; undefined if it did not report them */
  inMemory(models: readonly string[] | undefined): void {
    if (models === undefined) return;
    this.#listsMemory = true;
    const listed = new Set(models);
    for (const model of this.#warm) if (!listed.has(this.#canonical(model))) this.#warm.delete(model);
  }

  /** Called when the server begins an answer. */
  began(): void {
    this.#answering += 1;
    this.#lastAnswerAt = performance.now();
  }

  /** Called when that answer has ended. */
  ended(model: string, usage: TotalUsage | undefined): void {
    this.#answering -= 1;
    this.#lastAnswerAt = performance.now();
    if (usage === undefined) return;
    if (this.#warm.size >= maxModels) this.#warm.clear();
    this.#warm.add(model);
    const { load = 0 } = usage.timings;
    if (load < wasInMemory) return;
    this.#onLoad?.(model);
    if (this.#slowest.size >= maxModels) this.#slowest.clear();
    this.#slowest.set(model, Math.max(load, this.#slowest.get(model) ?? 0));
  }

  /** @returns milliseconds until the first look at a request whose answer has not begun */
  firstLook(inputTokens: number): number {
    return patience.base + Math.ceil((inputTokens * patience.perToken) / step) * step;
  }

  /** @returns milliseconds that a request has in all if the server answers nobody */
  limit(model: string, inputTokens: number): number {
    return this.firstLook(inputTokens) + this.#loading(model);
  }

  /**
   * @param since when the request was sent, on the clock of `performance.now()`
   * @returns milliseconds that a request whose answer has not begun still gets; 0 for none
   */
  extension(model: string, inputTokens: number, since: number): number {
    // It works for others, so the request may wait in its own queue, or for memory.
    if (this.#answering > 0 || this.#lastAnswerAt > since) {
      const sinceAnswer = this.#answering > 0 ? 0 : performance.now() - this.#lastAnswerAt;
      return Math.max(0, this.limit(model, inputTokens) - sinceAnswer);
    }
    return Math.max(0, since + this.limit(model, inputTokens) - performance.now());
  }

  #loading(model: string): number {
    const slowest = this.#slowest.get(model);
    if (slowest !== undefined) return Math.max(measured.least, measured.factor * slowest * 1000);
    return this.#listsMemory && this.#warm.has(model) ? 0 : unmeasured;
  }
}
