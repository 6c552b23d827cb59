import { setTimeout as sleep } from 'node:timers/promises';
import { retryTarget, isConnectionLost } from './retry-policy.ts';
import type { Backend } from '../chat/backend.ts';
import { type GatewayError, asGatewayError } from '../errors.ts';
import { allUpstreamsDown } from './all-down.ts';
import { detailsDeadline } from './model-catalog.ts';
import { ModelDirectory } from './model-directory.ts';
import type { BackendKind } from '../upstreams/index.ts';
import { withTimeout } from '../with-timeout.ts';
import { Selector } from './selector.ts';
import type { Exchange } from '../exchange/exchange.ts';
import { RetryBudget } from './retry-budget.ts';
import type { Upstream } from './upstream.ts';

/** What the choice of an upstream depends on. */
export interface Target {
  readonly model: string;
  /** What all requests of a conversation have in common; undefined for what is none. Asked only where there is a choice. */
  readonly conversation: () => string | undefined;
  /** What it has to speak, where that matters. */
  readonly kind?: BackendKind;
}

interface PoolOptions {
  readonly attempts: number;
  /** Milliseconds until the same upstream is asked again, twice as long each time, up to `cap`. */
  readonly base: number;
  readonly cap: number;
  /** Of all requests, that may be asked again. */
  readonly share: number;
  readonly onRetry: (upstream: string, code: string) => void;
}

/** What became of a request so far. */
interface Course {
  readonly wanted: Target;
  /** Upstreams that failed. */
  readonly tried: Set<Upstream>;
  /** Those of them that would fail again. */
  readonly useless: Set<Upstream>;
}

/** The upstreams, and which of them a request goes to. */
export class UpstreamPool {
  readonly upstreams: readonly [Upstream, ...Upstream[]];
  /** The models of all. */
  readonly models: ModelDirectory;
  readonly #options: PoolOptions;
  readonly #budget: RetryBudget;
  readonly #selector = new Selector();

  constructor(upstreams: readonly [Upstream, ...Upstream[]], options: PoolOptions) {
    this.upstreams = upstreams;
    this.models = new ModelDirectory(upstreams.map(({ catalog }) => catalog));
    this.#options = options;
    this.#budget = new RetryBudget(options.share);
  }

  /** The one kind of upstream that a model may go to; undefined where there are several. */
  kindFor(model: string): BackendKind | undefined {
    const [first, ...others] = this.#serving({ model }).map(({ kind }) => kind);
    return others.every((kind) => kind === first) ? first : undefined;
  }

  /** What a model's upstream speaks. */
  backendOf(model: string): Backend {
    return (this.#serving({ model })[0] ?? this.upstreams[0]).backend;
  }

  /**
   * Asks an upstream, and another where it fails before anything of an answer came.
   *
   * @param ask resolves when there is something of an answer
   * @throws {GatewayError} what the last one failed with; 503 `upstream_down` at once where none is up
   */
  async send<T>(exchange: Exchange, wanted: Target, ask: (upstream: Upstream) => Promise<T>): Promise<T> {
    this.#budget.onRequest();
    if (!this.#isKnown(wanted.model)) await this.#readLists();
    let course: Course | undefined;
    let open: readonly Upstream[] = this.#serving(wanted).filter(isUp);
    for (let attempt = 1; ; attempt += 1) {
      exchange.signal.throwIfAborted();
      const upstream = this.#selector.select(open, wanted.model, wanted.conversation);
      if (upstream === undefined) throw this.#allDown(wanted);
      exchange.phase = 'waiting';
      exchange.upstream = upstream.name;
      const leave = this.#selector.trackRequest(upstream, exchange);
      try {
        return await upstream.health.track(() => ask(upstream));
      } catch (thrown) {
        leave();
        const error = asGatewayError(thrown);
        if (attempt >= this.#options.attempts || isAnswering(exchange)) throw error;
        course ??= { wanted, tried: new Set(), useless: new Set() };
        course.tried.add(upstream);
        open = await this.#others(error, upstream, course);
        // Another one need not be waited for.
        if (open.length > 0) continue;
        open = await this.#sameAgain(error, attempt, course, exchange);
      }
    }
  }

  /** Upstreams not yet tried that may do better. Empty for none. @throws the error where the budget is used up */
  async #others(
    error: GatewayError,
    failed: Upstream,
    { wanted, tried, useless }: Course,
  ): Promise<readonly Upstream[]> {
    const again = retryTarget(error);
    if (again === undefined) throw error;
    if (again === 'elsewhere') useless.add(failed);
    const unknown = error.code === 'model_not_found';
    if (unknown && this.upstreams.length > 1) await this.#readLists();
    const fresh = this.#serving(wanted).filter(
      (one) => isUp(one) && !tried.has(one) && (!unknown || mayHave(one, wanted)),
    );
    if (fresh.length === 0) return [];
    // Each can be asked once: what was lost, or was nothing that anybody began, adds nothing to anybody's load.
    const isFree = unknown || error.code === 'queue_full' || isConnectionLost(error) || !isUp(failed);
    if (!isFree) this.#spend(error);
    this.#options.onRetry(failed.name, error.code);
    return fresh;
  }

  /** Waits, where that may help. @returns upstreams that failed and may do better now */
  async #sameAgain(
    failure: GatewayError,
    attempt: number,
    { tried, useless }: Course,
    exchange: Exchange,
  ): Promise<readonly Upstream[]> {
    const pause = this.#pause(attempt);
    const left = [...tried].filter((one) => !useless.has(one) && one.health.retryInMs < pause);
    if (left.length === 0) throw failure;
    this.#spend(failure);
    this.#options.onRetry(exchange.upstream ?? '', failure.code);
    await sleep(pause, undefined, { signal: exchange.abortSignal }).catch(() => undefined);
    return left.filter(isUp);
  }

  #spend(error: GatewayError): void {
    if (!this.#budget.tryRetry()) throw error;
  }

  /** Those that have a model; all where none is known to: it may have been pulled a moment ago. */
  #serving({ model, kind }: Pick<Target, 'model' | 'kind'>): readonly Upstream[] {
    const able = this.upstreams.filter((one) => kind === undefined || one.kind === kind);
    const having = able.filter(({ catalog }) => catalog.has(model));
    return having.length > 0 ? having : able;
  }

  /** Whether it is known where a model is, or need not be. */
  #isKnown(model: string): boolean {
    return model === '' || this.upstreams.length === 1 || this.models.has(model);
  }

  /** Reads the lists of models, for all who ask for it at a time, unless that was done a moment ago. */
  async #readLists(): Promise<void> {
    // Where nobody tells, the request itself will.
    await withTimeout(
      detailsDeadline,
      this.models.list().catch(() => undefined),
    );
  }

  #allDown(wanted: Target): GatewayError {
    const serving = this.#serving(wanted);
    const downFor = serving.map(({ health }) => health.retryInMs);
    return allUpstreamsDown(downFor, serving.length < this.upstreams.length);
  }

  /** Milliseconds, a quarter more or less. */
  #pause(attempt: number): number {
    const { base, cap } = this.#options;
    return Math.min(cap, base * 2 ** (attempt - 1)) * (0.75 + Math.random() / 2);
  }
}

function isUp({ health }: Upstream): boolean {
  return health.retryInMs === 0;
}

/** As far as its list tells, which it may not have told yet. */
function mayHave({ catalog }: Upstream, { model }: Target): boolean {
  return catalog.has(model) || catalog.failedLastTime || catalog.listed.length === 0;
}

/** Something came of the answer, which would be generated twice, or nobody waits for it any more. */
function isAnswering({ phase, signal }: Exchange): boolean {
  return phase === 'streaming' || signal.aborted;
}
