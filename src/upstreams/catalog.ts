import type { Backend, ModelDetails, ModelInfo } from '../chat/backend.ts';
import type { UpstreamClient } from './client.ts';
import { askUpstream } from './read.ts';

/** Milliseconds for which a list of models is not asked for again. */
const freshFor = 2_000;

/** Milliseconds for the details of a model: nothing waits for them that would not do without. */
export const detailsDeadline = 2_000;

/** The models an upstream has. Concurrent questions share one request to it. */
export class ModelCatalog {
  readonly #client: UpstreamClient;
  readonly #backend: Backend;
  #models: readonly (ModelInfo & ModelDetails)[] = [];
  #names: ReadonlyMap<string, string> = new Map();
  /** By name, for models that are listed. */
  readonly #details = new Map<string, { readonly modified: number; readonly answer: Promise<ModelDetails> }>();
  #askedAt = -Infinity;
  #asking: Promise<readonly ModelInfo[]> | undefined;

  constructor(client: UpstreamClient, backend: Backend) {
    this.#client = client;
    this.#backend = backend;
  }

  /**
   * @param maxAge milliseconds since the list was asked for
   * @throws {GatewayError} when the upstream does not answer
   */
  async list(maxAge = freshFor): Promise<readonly ModelInfo[]> {
    if (performance.now() - this.#askedAt < maxAge) return this.#models;
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = undefined;
    });
    return await this.#asking;
  }

  /** What is known of a model; nothing of one that is not listed. A model that changed is asked about again. */
  async details(name: string): Promise<ModelDetails> {
    const model = this.#models.find((listed) => listed.name === (this.#names.get(name.toLowerCase()) ?? name));
    if (model === undefined) return {};
    const question = this.#backend.details?.(model.name);
    if (question === undefined) return model;
    const known = this.#details.get(model.name);
    if (known?.modified === model.modified) return await known.answer;
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

  /** Learns the model's name in the background, so that its first request is not `other` when it ends. */
  learn(model: string): void {
    if (!this.has(model)) void this.list().catch(() => undefined);
  }

  async #ask(): Promise<readonly ModelInfo[]> {
    this.#models = await askUpstream(this.#client, this.#backend, this.#backend.models);
    this.#names = new Map(this.#models.flatMap(({ name }) => spellings(name)));
    for (const name of this.#details.keys())
      if (!this.#models.some((model) => model.name === name)) this.#details.delete(name);
    this.#askedAt = performance.now();
    return this.#models;
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
