import type { ModelDetails, ModelInfo } from '../../chat/backend.ts';
import { modelKey } from '../../chat/model-name.ts';
import { GatewayError } from '../../errors.ts';
import { allUpstreamsDown } from '../all-down.ts';
import { withTimeout } from '../../with-timeout.ts';
import { type ModelCatalog, detailsDeadline } from './model-catalog.ts';

/**
 * The models of all upstreams; a model that several have is listed once. The last list of an upstream that is ejected or
 * fails stays valid, because requests for its models are still sent to it.
 */
export class ModelDirectory {
  #catalogs: readonly ModelCatalog[] = [];
  #exact: readonly ModelCatalog[] = [];

  constructor(catalogs: readonly ModelCatalog[]) {
    this.use(catalogs);
  }

  /** Replaces the upstreams. */
  use(catalogs: readonly ModelCatalog[]): void {
    this.#catalogs = catalogs;
    this.#exact = catalogs.filter(({ takesExactIds }) => takesExactIds);
  }

  /**
   * Once one upstream has sent its list, the others have two seconds; those that failed last time are not waited for.
   *
   * @param maxAge milliseconds for which a cached list is good enough
   * @throws {GatewayError} when no upstream answers; 503 `upstream_down` at once when all are ejected
   */
  async list(maxAge?: number): Promise<readonly ModelInfo[]> {
    const lists = this.#fetch(maxAge);
    const all = withTimeout(detailsDeadline, Promise.allSettled(lists));
    await firstOf(lists);
    await all;
    const models = new Map<string, ModelInfo>();
    for (const model of this.#catalogs.flatMap(({ listed }) => listed)) {
      const key = modelKey(model.name);
      if (!models.has(key)) models.set(key, model);
    }
    return [...models.values()];
  }

  /** Resolves as soon as one upstream answers. @throws {GatewayError} when none does within so many milliseconds */
  async reach(milliseconds: number): Promise<void> {
    const first = firstOf(this.#fetch()).then(() => true);
    if ((await withTimeout(milliseconds, first)) === true) return;
    throw new GatewayError('upstream_timeout', 'The upstream did not answer in time.', { retryAfter: 5 });
  }

  /** @returns the details of a model; {} for a model that is not listed */
  async details(model: string): Promise<ModelDetails> {
    return (await this.#catalogWith(model)?.details(model)) ?? {};
  }

  /** @returns the label of a model in metrics: its listed name, or `other` */
  label(model: string): string {
    return this.#catalogWith(model)?.label(model) ?? 'other';
  }

  /** True for a listed name of an upstream that compares names byte by byte. */
  readonly isExactId = (name: string): boolean => this.#exact.some((catalog) => catalog.isExactId(name));

  /** True when the last list of an upstream has the model. */
  has(model: string): boolean {
    return this.#catalogWith(model) !== undefined;
  }

  /** Fetches the lists in the background if no upstream is known to have the model, so that its first metrics have its name. */
  discover(model: string): void {
    if (!this.has(model)) void this.list().catch(() => undefined);
  }

  /**
   * Starts to fetch the lists of all upstreams that are not ejected.
   *
   * @returns the lists worth waiting for, at least one
   * @throws {GatewayError} 503 `upstream_down` when all are ejected
   */
  #fetch(maxAge?: number): Promise<unknown>[] {
    const up = this.#catalogs.filter(({ retryInMs }) => retryInMs === 0);
    if (up.length === 0) throw allUpstreamsDown(this.#catalogs.map(({ retryInMs }) => retryInMs));
    const failed = up.filter((catalog) => catalog.failedLastTime);
    if (failed.length === up.length) return up.map(async (catalog) => await catalog.list(maxAge));
    // Not waited for, but the next call will know whether they have recovered.
    for (const catalog of failed) void catalog.list().catch(() => undefined);
    return up.filter((catalog) => !failed.includes(catalog)).map(async (catalog) => await catalog.list(maxAge));
  }

  /** @returns the first catalog with the model whose upstream answers, or else the first one */
  #catalogWith(model: string): ModelCatalog | undefined {
    let first: ModelCatalog | undefined;
    for (const catalog of this.#catalogs) {
      if (!catalog.has(model)) continue;
      if (!catalog.failedLastTime) return catalog;
      first ??= catalog;
    }
    return first;
  }
}

/** @throws {unknown} the first error when all promises are rejected */
async function firstOf(promises: readonly Promise<unknown>[]): Promise<void> {
  try {
    await Promise.any(promises);
  } catch (error) {
    throw error instanceof AggregateError ? error.errors[0] : error;
  }
}
