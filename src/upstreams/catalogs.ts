import type { ModelDetails, ModelInfo } from '../chat/backend.ts';
import type { ModelCatalog } from './catalog.ts';

/** The models of all upstreams. One that several have is listed once. */
export class Catalogs {
  readonly #catalogs: readonly ModelCatalog[];

  constructor(catalogs: readonly ModelCatalog[]) {
    this.#catalogs = catalogs;
  }

  /**
   * @param maxAge milliseconds since the lists were asked for
   * @throws {GatewayError} when no upstream answers
   */
  async list(maxAge?: number): Promise<readonly ModelInfo[]> {
    const lists = await Promise.allSettled(this.#catalogs.map(async (catalog) => await catalog.list(maxAge)));
    const told = lists.filter((list) => list.status === 'fulfilled').map(({ value }) => value);
    if (told.length === 1 && told[0] !== undefined) return told[0];
    const [first] = lists;
    if (told.length === 0 && first?.status === 'rejected') throw first.reason;
    const models = new Map<string, ModelInfo>();
    for (const model of told.flat()) {
      const name = model.name.toLowerCase();
      if (!models.has(name)) models.set(name, model);
    }
    return [...models.values()];
  }

  /** What is known of a model; nothing of one that is not listed. */
  async details(model: string): Promise<ModelDetails> {
    return (await this.#with(model)?.details(model)) ?? {};
  }

  /** The name of a model as the metrics show it: one that an upstream has, else `other`. */
  label(model: string): string {
    return this.#with(model)?.label(model) ?? 'other';
  }

  /** Whether an upstream has a model, as far as their last lists tell. */
  has(model: string): boolean {
    return this.#with(model) !== undefined;
  }

  /** Learns where a model is in the background, so that its first request is not `other` when it ends. */
  learn(model: string): void {
    if (!this.has(model)) void this.list().catch(() => undefined);
  }

  #with(model: string): ModelCatalog | undefined {
    return this.#catalogs.find((catalog) => catalog.has(model));
  }
}
