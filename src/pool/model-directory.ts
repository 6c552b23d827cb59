import type { ModelDetails, ModelInfo } from '../chat/backend.ts';
import { GatewayError } from '../errors.ts';
import { allUpstreamsDown } from './all-down.ts';
import { withTimeout } from '../with-timeout.ts';
import { type ModelCatalog, detailsDeadline } from './model-catalog.ts';

/**
 * The models of all upstreams. One that several have is listed once. Of an upstream that is out, or does not tell, the last
 * list stands: its models stay listed, as requests for them stay its own.
 */
export class ModelDirectory {
  readonly #catalogs: readonly ModelCatalog[];

  constructor(catalogs: readonly ModelCatalog[]) {
    this.#catalogs = catalogs;
  }

  /**
   * Where one upstream has told, others are given two seconds, and those that did not tell when last asked no time at all.
   *
   * @param maxAge milliseconds since the lists were asked for
   * @throws {GatewayError} when no upstream answers; 503 `upstream_down` at once when all are out
   */
  async list(maxAge?: number): Promise<readonly ModelInfo[]> {
    const answers = this.#ask(maxAge);
    const all = withTimeout(detailsDeadline, Promise.allSettled(answers));
    await firstOf(answers);
    await all;
    const models = new Map<string, ModelInfo>();
    for (const model of this.#catalogs.flatMap(({ listed }) => listed)) {
      const name = model.name.toLowerCase();
      if (!models.has(name)) models.set(name, model);
    }
    return [...models.values()];
  }

  /** Resolves as soon as one upstream answers. @throws {GatewayError} when none does within so many milliseconds */
  async reach(milliseconds: number): Promise<void> {
    const first = firstOf(this.#ask()).then(() => true);
    if ((await withTimeout(milliseconds, first)) === true) return;
    throw new GatewayError('upstream_timeout', 'The upstream did not answer in time.', { retryAfter: 5 });
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
  discover(model: string): void {
    if (!this.has(model)) void this.list().catch(() => undefined);
  }

  /** Asks all that are not out. @returns the answers worth waiting for, at least one. @throws {GatewayError} */
  #ask(maxAge?: number): Promise<unknown>[] {
    const up = this.#catalogs.filter(({ retryInMs }) => retryInMs === 0);
    if (up.length === 0) throw allUpstreamsDown(this.#catalogs.map(({ retryInMs }) => retryInMs));
    const silent = up.filter((catalog) => catalog.failedLastTime);
    if (silent.length === up.length) return up.map(async (catalog) => await catalog.list(maxAge));
    // Whether they are back will be known by the next time.
    for (const catalog of silent) void catalog.list().catch(() => undefined);
    return up.filter((catalog) => !silent.includes(catalog)).map(async (catalog) => await catalog.list(maxAge));
  }

  /** One that has the model: one that answers, if there is one. */
  #with(model: string): ModelCatalog | undefined {
    const having = this.#catalogs.filter((catalog) => catalog.has(model));
    return having.find(({ failedLastTime }) => !failedLastTime) ?? having[0];
  }
}

/** @throws what the first failed with, when all do */
async function firstOf(answers: readonly Promise<unknown>[]): Promise<void> {
  try {
    await Promise.any(answers);
  } catch (error) {
    throw error instanceof AggregateError ? error.errors[0] : error;
  }
}
