/**
 * The models that a server holds in memory, as it reports them and as its requests imply. It holds up to `slots`
 * models; if that number is unknown, as many as it has ever held.
 */
export class Residency {
  /** Running requests by model, least recently used model first. */
  readonly #models = new Map<string, number>();
  #slotsAreKnown: boolean;
  #slots: number;

  constructor(slots: number | undefined) {
    this.#slotsAreKnown = slots !== undefined;
    this.#slots = slots ?? 1;
  }

  /** Replaces the number of models that the server holds; undefined if it is not known any more. */
  use(slots: number | undefined): void {
    this.#slotsAreKnown = slots !== undefined;
    this.#slots = slots ?? this.#slots;
  }

  get slots(): number {
    return this.#slots;
  }

  get models(): readonly string[] {
    return [...this.#models.keys()];
  }

  /** @param model '' needs no memory and is always there */
  has(model: string): boolean {
    return model === '' || this.#models.has(model);
  }

  /** @returns true if a model can be loaded without evicting one that has running requests or is wanted */
  hasSpare(isWanted: (model: string) => boolean): boolean {
    return this.#models.size < this.#slots || this.#evictable(isWanted) !== undefined;
  }

  /** @returns true if a model can be loaded without evicting one that has running requests */
  canLoad(): boolean {
    return this.hasSpare(() => false);
  }

  /** Records that a request for a model starts. @returns true if the model has to be loaded */
  start(model: string, isWanted: (model: string) => boolean): boolean {
    if (model === '') return false;
    const running = this.#models.get(model);
    if (running === undefined) this.#makeRoom(isWanted);
    this.#models.delete(model);
    this.#models.set(model, (running ?? 0) + 1);
    return running === undefined;
  }

  finish(model: string): void {
    const running = this.#models.get(model);
    if (running !== undefined) this.#models.set(model, Math.max(0, running - 1));
  }

  /**
   * @param models the models that the server reports. Those with running requests may be loading and are kept as well
   */
  setLoaded(models: Iterable<string>): void {
    const loaded = new Set(models);
    if (!this.#slotsAreKnown) this.#slots = Math.max(this.#slots, loaded.size);
    for (const [model, running] of this.#models) {
      if (running === 0 && !loaded.has(model)) this.#models.delete(model);
    }
    for (const model of loaded) {
      if (!this.#models.has(model)) this.#models.set(model, 0);
    }
  }

  #makeRoom(isWanted: (model: string) => boolean): void {
    while (this.#models.size >= this.#slots) {
      const evicted = this.#evictable(isWanted) ?? this.#evictable(() => false);
      if (evicted === undefined) return;
      this.#models.delete(evicted);
    }
  }

  #evictable(isWanted: (model: string) => boolean): string | undefined {
    for (const [model, running] of this.#models) {
      if (running === 0 && !isWanted(model)) return model;
    }
    return undefined;
  }
}
