import { setTimeout as sleep } from 'node:timers/promises';
import type { Backend } from '../chat/backend.ts';
import { type GatewayError, asGatewayError } from '../errors.ts';
import type { Exchange } from '../exchange/exchange.ts';
import type { BackendKind } from '../upstreams/index.ts';
import { withTimeout } from '../with-timeout.ts';
import { allUpstreamsDown } from './all-down.ts';
import { detailsDeadline } from './model-catalog.ts';
import { ModelDirectory } from './model-directory.ts';
import { RetryBudget } from './retry-budget.ts';
import { isConnectionLost, retryTarget } from './retry-policy.ts';
import { selectUpstream } from './selector.ts';
import type { Target, Upstream } from './upstream.ts';

interface PoolOptions {
  /** Attempts for one request. */
  readonly attempts: number;
  /** Milliseconds before the first retry on the same server; doubles with each attempt, up to `cap`. */
  readonly base: number;
  readonly cap: number;
  /** Share of all requests that may be retried. */
  readonly share: number;
  readonly onRetry: (upstream: string, code: string) => void;
}

/** The failed attempts of one request. */
interface Failures {
  readonly target: Target;
  readonly tried: Set<Upstream>;
  /** Those of them that would fail again. */
  readonly useless: Set<Upstream>;
  /** True once a server crashed. */
  crashed: boolean;
}

/** The servers, and which of them each request goes to. */
export class UpstreamPool {
  upstreams: readonly [Upstream, ...Upstream[]];
  /** The models of all servers. */
  readonly models: ModelDirectory;
  #options: PoolOptions;
  readonly #budget: RetryBudget;

  constructor(upstreams: readonly [Upstream, ...Upstream[]], options: PoolOptions) {
    this.upstreams = upstreams;
    this.models = new ModelDirectory(upstreams.map(({ catalog }) => catalog));
    this.#options = options;
    this.#budget = new RetryBudget(options.share);
  }

  /** Replaces the servers and options. Requests that are under way move only if they have to. */
  use(upstreams: readonly [Upstream, ...Upstream[]], options: PoolOptions): void {
    this.upstreams = upstreams;
    this.models.use(upstreams.map(({ catalog }) => catalog));
    this.#options = options;
    this.#budget.use(options.share);
  }

  /** @returns the kind of the servers that have a model; undefined if they differ */
  kindFor(model: string): BackendKind | undefined {
    const [first, ...others] = this.#serving({ model }).map(({ kind }) => kind);
    return others.every((kind) => kind === first) ? first : undefined;
  }

  /** @returns the backend of a server that has the model, or of any server if none has it */
  backendFor(model: string): Backend {
    return (this.#serving({ model })[0] ?? this.upstreams[0]).backend;
  }

  /**
   * Sends a request to a server, and to another one if that fails before anything of an answer came.
   *
   * @param attempt resolves once some of an answer came; called again for each retry
   * @throws {GatewayError} the error of the last attempt; 503 `upstream_down` at once if no server is up
   */
  async send<T>(exchange: Exchange, target: Target, attempt: (upstream: Upstream) => Promise<T>): Promise<T> {
    this.#budget.onRequest();
    if (!this.#isKnown(target.model)) await this.#refreshLists();
    let failures: Failures | undefined;
    let candidates = this.#serving(target).filter(isUp);
    for (let attempts = 1; ; attempts += 1) {
      exchange.signal.throwIfAborted();
      const upstream = candidates.length > 1 ? selectUpstream(candidates, target) : candidates[0];
      if (upstream === undefined) throw this.#allDown(target);
      exchange.phase = 'waiting';
      exchange.upstream = upstream.name;
      upstream.outstanding += 1;
      try {
        const answer = await upstream.health.track(() => attempt(upstream));
        exchange.onEnd(({ usage }) => {
          upstream.outstanding -= 1;
          if (usage !== undefined) upstream.outputRate.observe(usage);
        });
        return answer;
      } catch (thrown) {
        upstream.outstanding -= 1;
        const error = asGatewayError(thrown);
        const isLast = attempts >= this.#options.attempts && upstream.isRetired !== true;
        if (isLast || isAnswering(exchange)) throw error;
        failures ??= { target, tried: new Set(), useless: new Set(), crashed: target.hasSchema === true };
        failures.tried.add(upstream);
        candidates = await this.#untried(error, upstream, failures);
        // A server that was not tried needs no pause.
        if (candidates.length === 0) candidates = await this.#triedAfterPause(error, attempts, failures, exchange);
      }
    }
  }

  /** @returns servers that were not tried and may do better; empty if there are none. @throws the error if it must not be retried */
  async #untried(error: GatewayError, failed: Upstream, failures: Failures): Promise<Upstream[]> {
    const { target, tried, useless } = failures;
    const retry = retryTarget(error);
    if (retry === undefined) throw error;
    if (error.code === 'upstream_crashed') {
      // Each crash also ends the answers of all others on that server.
      if (failures.crashed) throw error;
      failures.crashed = true;
    }
    if (retry === 'other') useless.add(failed);
    const isUnknownModel = error.code === 'model_not_found';
    if (isUnknownModel && this.upstreams.length > 1) await this.#refreshLists();
    const untried = this.#serving(target).filter(
      (upstream) => isUp(upstream) && !tried.has(upstream) && (!isUnknownModel || mayHave(upstream, target)),
    );
    if (untried.length === 0) return [];
    // Each server is tried once. A request that was lost or never begun adds no load to any of them.
    const isFree = isUnknownModel || error.code === 'queue_full' || isConnectionLost(error) || !isUp(failed);
    if (!isFree) this.#spend(error);
    this.#options.onRetry(failed.name, error.code);
    return untried;
  }

  /** Pauses, if a failed server may do better after it. @returns those servers. @throws `failure` if there are none */
  async #triedAfterPause(
    failure: GatewayError,
    attempts: number,
    { tried, useless }: Failures,
    exchange: Exchange,
  ): Promise<Upstream[]> {
    const pause = this.#pause(attempts);
    const again = [...tried].filter((upstream) => !useless.has(upstream) && upstream.health.retryInMs < pause);
    if (again.length === 0) throw failure;
    this.#spend(failure);
    this.#options.onRetry(exchange.upstream ?? '', failure.code);
    await sleep(pause, undefined, { signal: exchange.abortSignal }).catch(() => undefined);
    return again.filter(isUp);
  }

  #spend(error: GatewayError): void {
    if (!this.#budget.tryRetry()) throw error;
  }

  /** The servers that have a model; all of them if none is known to have it, since it may just have been pulled. */
  #serving({ model, kind }: Pick<Target, 'model' | 'kind'>): readonly Upstream[] {
    const able = kind === undefined ? this.upstreams : this.upstreams.filter((upstream) => upstream.kind === kind);
    if (this.upstreams.length === 1) return able;
    const readable = able.filter(({ catalog }) => catalog.reads(model));
    const having = readable.filter(({ catalog }) => catalog.has(model));
    return having.length > 0 ? having : readable;
  }

  /** True if it is known which server has the model, or does not matter. */
  #isKnown(model: string): boolean {
    return model === '' || this.upstreams.length === 1 || this.models.has(model);
  }

  /** Reads the model lists, once for all callers, unless they were read a moment ago. Never rejects. */
  async #refreshLists(): Promise<void> {
    const list = this.models.list().catch(() => undefined);
    await withTimeout(detailsDeadline, list);
  }

  #allDown(target: Target): GatewayError {
    const serving = this.#serving(target);
    const retryInMs = serving.map(({ health }) => health.retryInMs);
    return allUpstreamsDown(retryInMs, serving.length < this.upstreams.length);
  }

  /** Milliseconds before a retry, with a jitter of 25 %. */
  #pause(attempts: number): number {
    const { base, cap } = this.#options;
    return Math.min(cap, base * 2 ** (attempts - 1)) * (0.75 + Math.random() / 2);
  }
}

function isUp({ health, isRetired }: Upstream): boolean {
  return isRetired !== true && health.retryInMs === 0;
}

/** True if a server's model list has the model, or is not known yet. */
function mayHave({ catalog }: Upstream, { model }: Target): boolean {
  return catalog.has(model) || catalog.failedLastTime || catalog.listed.length === 0;
}

/** True once a retry would generate the answer twice, or nobody waits for it. */
function isAnswering({ phase, signal }: Exchange): boolean {
  return phase === 'streaming' || signal.aborted;
}
