/**
 * Which models the box holds in memory: told from outside, and concluded from what was sent to it. It holds `slots` at
 * a time; where that is unknown, as many as it was ever seen to hold.
 */
export class Residency {
  /** Least recently used first, with the requests that run on each. */
  readonly #models = new Map<string, number>();
  readonly #fixed: boolean;
  #slots: number;

  constructor(slots: number | undefined) {
    this.#fixed = slots !== undefined;
    this.#slots = slots ?? 1;
  }

  get slots(): number {
    return this.#slots;
  }

  get models(): readonly string[] {
    return [...this.#models.keys()];
  }

  has(model: string): boolean {
    return model === '' || this.#models.has(model);
  }

  /** Whether a model can be loaded without taking out one that runs or is wanted. */
  hasSpare(wanted: (model: string) => boolean): boolean {
    return this.#models.size < this.#slots || this.#victim(wanted) !== undefined;
  }

  /** Whether a model can be loaded now: what runs stays. */
  canLoad(): boolean {
    return this.hasSpare(() => false);
  }

  /** A request for a model goes to the box. @returns whether the model has to be loaded */
  start(model: string, wanted: (model: string) => boolean): boolean {
    if (model === '') return false;
    const running = this.#models.get(model);
    if (running === undefined) this.#makeRoom(wanted);
    this.#models.delete(model);
    this.#models.set(model, (running ?? 0) + 1);
    return running === undefined;
  }

  finish(model: string): void {
    const running = this.#models.get(model);
    if (running !== undefined) this.#models.set(model, Math.max(0, running - 1));
  }

  /** What the box says it holds. Models that requests run on may be on their way into it. */
  told(models: Iterable<string>): void {
    const held = new Set(models);
    if (!this.#fixed) this.#slots = Math.max(this.#slots, held.size);
    for (const [model, running] of this.#models) {
      if (running === 0 && !held.has(model)) this.#models.delete(model);
    }
    for (const model of held) {
      if (!this.#models.has(model)) this.#models.set(model, 0);
    }
  }

  #makeRoom(wanted: (model: string) => boolean): void {
    while (this.#models.size >= this.#slots) {
      const victim = this.#victim(wanted) ?? this.#victim(() => false);
      if (victim === undefined) return;
      this.#models.delete(victim);
    }
  }

  #victim(wanted: (model: string) => boolean): string | undefined {
    for (const [model, running] of this.#models) {
      if (running === 0 && !wanted(model)) return model;
    }
    return undefined;
  }
}
