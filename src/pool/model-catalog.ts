import type { Backend, ModelDetails, ModelInfo } from '../chat/backend.ts';
import type { UpstreamClient } from '../upstreams/http/client.ts';
import type { Health } from './health.ts';
import { askUpstream } from '../upstreams/http/read.ts';

/** Milliseconds for which a list of models, or that there was none, is not asked for again. */
const freshFor = 2_000;

/** Milliseconds for the details of a model: nothing waits for them that would not do without. */
export const detailsDeadline = 2_000;

/** The models an upstream has. Concurrent questions share one request to it. */
export class ModelCatalog {
  readonly #client: UpstreamClient;
  readonly #backend: Backend;
  readonly #health: Pick<Health, 'retryInMs'>;
  #models: readonly (ModelInfo & ModelDetails)[] = [];
  #names: ReadonlyMap<string, string> = new Map();
  /** By name, for models that are listed. */
  readonly #details = new Map<string, { readonly modified: number; readonly answer: Promise<ModelDetails> }>();
  /** When the last question was over. */
  #askedAt = -Infinity;
  /** What it failed with. */
  #failure: unknown;
  #asking: { readonly since: number; readonly answer: Promise<readonly ModelInfo[]> } | undefined;

  constructor(client: UpstreamClient, backend: Backend, health: Pick<Health, 'retryInMs'>) {
    this.#client = client;
    this.#backend = backend;
    this.#health = health;
  }

  /** Milliseconds until the upstream may be asked: 0 for now. */
  get retryInMs(): number {
    return this.#health.retryInMs;
  }

  /** Whether an answer is not worth waiting for: the upstream is out, did not tell its models when last asked, or takes long. */
  get failedLastTime(): boolean {
    if (this.retryInMs > 0 || this.#failure !== undefined) return true;
    return this.#asking !== undefined && performance.now() - this.#asking.since > detailsDeadline;
  }

  /** The last list that the upstream told. */
  get listed(): readonly ModelInfo[] {
    return this.#models;
  }

  /**
   * @param maxAge milliseconds since the list was asked for
   * @throws {GatewayError} when the upstream does not answer, or did not within that time
   */
  async list(maxAge = freshFor): Promise<readonly ModelInfo[]> {
    if (performance.now() - this.#askedAt < maxAge) {
      if (this.#failure !== undefined) throw this.#failure;
      return this.#models;
    }
    this.#asking ??= { since: performance.now(), answer: this.#ask() };
    return await this.#asking.answer;
  }

  /** What is known of a model; nothing of one that is not listed. A model that changed is asked about again. */
  async details(name: string): Promise<ModelDetails> {
    const model = this.#models.find((listed) => listed.name === (this.#names.get(name.toLowerCase()) ?? name));
    if (model === undefined) return {};
    const question = this.#backend.details?.(model.name);
    if (question === undefined) return model;
    const known = this.#details.get(model.name);
    if (known?.modified === model.modified) return await known.answer;
    if (this.failedLastTime) return model;
    const answer = askUpstream(this.#client, this.#backend, question, detailsDeadline).catch(() => {
      this.#details.delete(model.name);
      return {};
    });
    this.#details.set(model.name, { modified: model.modified, answer });
    return await answer;
  }

  /** The context a model is loaded with, in tokens; undefined where it is not loaded or that cannot be told. */
  async loadedContext(model: string): Promise<number | undefined> {
    const question = this.#backend.contextLength?.(model);
    return question && (await askUpstream(this.#client, this.#backend, question).catch(() => undefined));
  }

  /** The name of a model as the metrics show it: one that the upstream has, else `other`. */
  label(model: string): string {
    return this.#names.get(model.toLowerCase()) ?? 'other';
  }

  /** The name of a model as the upstream lists it, where it does; else as it was given. */
  canonical(model: string): string {
    return this.#names.get(model.toLowerCase()) ?? model;
  }

  /** The models that the upstream holds in memory; undefined where that cannot be told. */
  async loaded(): Promise<string[] | undefined> {
    const question = this.#backend.loaded;
    return (
      question && (await askUpstream(this.#client, this.#backend, question, detailsDeadline).catch(() => undefined))
    );
  }

  /** Whether the upstream has a model, as far as its last list tells. */
  has(model: string): boolean {
    return this.#names.has(model.toLowerCase());
  }

  async #ask(): Promise<readonly ModelInfo[]> {
    try {
      this.#take(await askUpstream(this.#client, this.#backend, this.#backend.models));
      this.#failure = undefined;
      return this.#models;
    } catch (error) {
      this.#failure = error;
      throw error;
    } finally {
      this.#askedAt = performance.now();
      this.#asking = undefined;
    }
  }

  #take(models: readonly (ModelInfo & ModelDetails)[]): void {
    this.#models = models;
    this.#names = new Map(models.flatMap(({ name }) => spellings(name)));
    for (const name of this.#details.keys())
      if (!models.some((model) => model.name === name)) this.#details.delete(name);
  }
}

/** `llama3` and `llama3:latest` are one model. */
function spellings(name: string): [string, string][] {
  const lower = name.toLowerCase();
  return lower.endsWith(':latest')
    ? [
        [lower, name],
        [lower.slice(0, -':latest'.length), name],
      ]
    : [[lower, name]];
}
