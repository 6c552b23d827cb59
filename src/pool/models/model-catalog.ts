import type { Backend, LoadedModel, ModelDetails, ModelInfo } from '../../chat/backend.ts';
import { modelKey, readConfiguredName } from '../../chat/model-name.ts';
import type { UpstreamClient } from '../../upstreams/http/client.ts';
import type { Health } from '../health.ts';
import { askUpstream } from '../../upstreams/http/read.ts';

/** Milliseconds for which a list of models, or the failure to get it, is cached. */
const cachedFor = 2_000;

/** Milliseconds to wait for the details of a model. Nothing depends on them that cannot do without. */
export const detailsDeadline = 2_000;

/** The models of one upstream. Concurrent calls share one request to it. */
export class ModelCatalog {
  readonly #client: UpstreamClient;
  readonly #backend: Backend;
  readonly #health: Pick<Health, 'retryInMs'>;
  #models: readonly (ModelInfo & ModelDetails)[] = [];
  /** The listed names, by `modelKey`. */
  #names: ReadonlyMap<string, string> = new Map();
  /** The listed names, if the upstream takes exact ids. */
  #ids: ReadonlySet<string> = new Set();
  /** Details of listed models, by name. */
  readonly #details = new Map<string, { readonly modified: number; readonly response: Promise<ModelDetails> }>();
  /** When the last request for the list ended. */
  #fetchedAt = -Infinity;
  /** The error of the last request for the list. */
  #failure: unknown;
  #inMemory: readonly LoadedModel[] | undefined;
  #fetching: { readonly since: number; readonly models: Promise<readonly ModelInfo[]> } | undefined;

  constructor(client: UpstreamClient, backend: Backend, health: Pick<Health, 'retryInMs'>) {
    this.#client = client;
    this.#backend = backend;
    this.#health = health;
  }

  /** Milliseconds until the upstream may be used; 0 when it may be used now. */
  get retryInMs(): number {
    return this.#health.retryInMs;
  }

  /** True when a response is not worth waiting for: the upstream is ejected, its last list failed, or the next one takes long. */
  get failedLastTime(): boolean {
    if (this.#health.retryInMs > 0 || this.#failure !== undefined) return true;
    return this.#fetching !== undefined && performance.now() - this.#fetching.since > detailsDeadline;
  }

  /** The last list of models that the upstream sent. */
  get listed(): readonly ModelInfo[] {
    return this.#models;
  }

  /**
   * @param maxAge milliseconds for which the cached list is good enough
   * @throws {GatewayError} when the request for the list fails, or failed within that time
   */
  async list(maxAge = cachedFor): Promise<readonly ModelInfo[]> {
    if (performance.now() - this.#fetchedAt < maxAge) {
      if (this.#failure !== undefined) throw this.#failure;
      return this.#models;
    }
    this.#fetching ??= { since: performance.now(), models: this.#fetch() };
    return await this.#fetching.models;
  }

  /** @returns a model as the upstream lists it; undefined for one that is not listed */
  find(name: string): (ModelInfo & ModelDetails) | undefined {
    const canonical = this.canonical(name);
    return this.#models.find((listed) => listed.name === canonical);
  }

  /** @returns the details of a model, from the cache unless the model has changed; {} for a model that is not listed */
  async details(name: string): Promise<ModelDetails> {
    const model = this.find(name);
    if (model === undefined) return {};
    const question = this.#backend.details?.(model.name);
    if (question === undefined) return model;
    const cached = this.#details.get(model.name);
    if (cached?.modified === model.modified) return await cached.response;
    if (this.failedLastTime) return model;
    const response = askUpstream(this.#client, this.#backend, question, detailsDeadline).catch(() => {
      this.#details.delete(model.name);
      return {};
    });
    this.#details.set(model.name, { modified: model.modified, response });
    return await response;
  }

  /** @returns the context size, in tokens, with which a model is loaded; undefined when it is not loaded or not known */
  async loadedContext(model: string): Promise<number | undefined> {
    const question = this.#backend.contextLength?.(model);
    return question && (await askUpstream(this.#client, this.#backend, question).catch(() => undefined));
  }

  /** @returns the label of a model in metrics: its listed name, or `other` */
  label(model: string): string {
    return this.#ids.has(model) ? model : (this.#names.get(modelKey(model)) ?? 'other');
  }

  /** @returns the name of a model as the upstream lists it, or unchanged when it is not listed */
  canonical(model: string): string {
    return this.#ids.has(model) ? model : (this.#names.get(modelKey(model)) ?? model);
  }

  /** The models in memory when that was last read; undefined if it failed, or cannot be read. */
  get inMemory(): readonly LoadedModel[] | undefined {
    return this.#inMemory;
  }

  /** Reads which models are in memory. @returns their names; undefined when that is not known */
  async loaded(): Promise<string[] | undefined> {
    const question = this.#backend.loaded;
    if (question === undefined) return undefined;
    const models = await askUpstream(this.#client, this.#backend, question, detailsDeadline).catch(() => undefined);
    this.#inMemory = models?.map((model) => ({ ...model, name: this.canonical(model.name) }));
    return this.#inMemory?.map(({ name }) => name);
  }

  /** True when the upstream's last list has the model. */
  has(model: string): boolean {
    return this.#names.has(modelKey(model));
  }

  /** True when the upstream compares model names byte by byte. */
  get takesExactIds(): boolean {
    return this.#backend.takesExactIds === true;
  }

  /** True for a listed name of an upstream that compares names byte by byte. */
  isExactId(name: string): boolean {
    return this.#ids.has(name);
  }

  /** True when the upstream reads a name unchanged. Ollama would read some ids of other servers as different names. */
  reads(model: string): boolean {
    return this.takesExactIds || readConfiguredName(model) === model;
  }

  async #fetch(): Promise<readonly ModelInfo[]> {
    try {
      this.#update(await askUpstream(this.#client, this.#backend, this.#backend.models));
      this.#failure = undefined;
      return this.#models;
    } catch (error) {
      this.#failure = error;
      throw error;
    } finally {
      this.#fetchedAt = performance.now();
      this.#fetching = undefined;
    }
  }

  #update(models: readonly (ModelInfo & ModelDetails)[]): void {
    this.#models = models;
    this.#names = new Map(models.map(({ name }) => [modelKey(name), name]));
    if (this.takesExactIds) this.#ids = new Set(models.map(({ name }) => name));
    for (const name of this.#details.keys())
      if (!models.some((model) => model.name === name)) this.#details.delete(name);
  }
}
