import type { Backend, ModelInfo } from '../chat/contract.ts';
import type { UpstreamClient } from './client.ts';
import { askUpstream } from './read.ts';

/** Milliseconds for which a list of models is not asked for again. */
const freshFor = 2_000;

/** The models an upstream has. Concurrent questions share one request to it. */
export class ModelCatalog {
  readonly #client: UpstreamClient;
  readonly #backend: Backend;
  #models: readonly ModelInfo[] = [];
  #names: ReadonlyMap<string, string> = new Map();
  #askedAt = -Infinity;
  #asking: Promise<readonly ModelInfo[]> | undefined;

  constructor(client: UpstreamClient, backend: Backend) {
    this.#client = client;
    this.#backend = backend;
  }

  /** @throws {GatewayError} when the upstream does not answer */
  async list(): Promise<readonly ModelInfo[]> {
    if (performance.now() - this.#askedAt < freshFor) return this.#models;
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = undefined;
    });
    return await this.#asking;
  }

  /** The name of a model as the metrics show it: one that the upstream has, else `other`. */
  label(model: string): string {
    return this.#names.get(model.toLowerCase()) ?? 'other';
  }

  /** Learns the model's name in the background, so that its first request is not `other` when it ends. */
  learn(model: string): void {
    if (this.label(model) === 'other') void this.list().catch(() => undefined);
  }

  async #ask(): Promise<readonly ModelInfo[]> {
    this.#models = await askUpstream(this.#client, this.#backend, this.#backend.models);
    this.#names = new Map(this.#models.flatMap(({ name }) => spellings(name)));
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
