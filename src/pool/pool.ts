import { setTimeout as sleep } from 'node:timers/promises';
import type { Backend } from '../chat/backend.ts';
import { GatewayError, asGatewayError } from '../errors.ts';
import type { Exchange } from '../exchange/exchange.ts';
import type { BackendKind } from '../upstreams/index.ts';
import { withTimeout } from '../with-timeout.ts';
import { allUpstreamsDown, upstreamDown } from './all-down.ts';
import { detailsDeadline } from './models/model-catalog.ts';
import { ModelDirectory } from './models/model-directory.ts';
import { RetryBudget } from './retry-budget.ts';
import { isConnectionLost, retryTarget } from './retry-policy.ts';
import { selectUpstream } from './selector.ts';
import type { Target, Upstream } from './upstream.ts';
import { someEjected, workingUpstreams } from './working.ts';

interface PoolOptions {
  /** Attempts for one request. */
  readonly attempts: number;
  /** Milliseconds before the first retry on the same server; doubles with each attempt, up to `cap`. */
  readonly base: number;
  readonly cap: number;
  /** Share of all requests that may be retried. */
  readonly share: number;
  readonly onRetry: (upstream: string, code: string) => void;
  /** Requests one token, or an embedding, to try a model that failed on a server. Absent: clients' requests try it. */
  readonly probe?: (upstream: Upstream, model: string, embeds: boolean) => Promise<void>;
}

/** Sends a request to a server. Resolves once some of an answer came. */
type Attempt<T> = (upstream: Upstream) => Promise<T>;

/** A request to a model, at one server. */
interface Run {
  readonly upstream: Upstream;
  readonly model: string;
  /** On the clock of `performance.now()`. */
  readonly begun: number;
}

/** The failed attempts of one request. */
interface Failures {
  readonly target: Target;
  readonly exchange: Exchange;
  readonly tried: Set<Upstream>;
  /** The tried servers that would fail again. */
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
  async send<T>(exchange: Exchange, target: Target, attempt: Attempt<T>): Promise<T> {
    this.#budget.onRequest();
    if (!this.#isKnown(target.model)) await this.#refreshLists();
    let failures: Failures | undefined;
    let candidates = this.#working(this.#serving(target).filter(isUp), target, exchange);
    for (let attempts = 1; ; attempts += 1) {
      exchange.signal.throwIfAborted();
      const upstream = candidates.length > 1 ? selectUpstream(candidates, target) : candidates[0];
      if (upstream === undefined) throw this.#noneLeft(target);
      exchange.beginAttempt();
      exchange.upstream = upstream.name;
      upstream.outstanding += 1;
      const begun = exchange.runsModel ? upstream.modelHealth.begin(target.model) : 0;
      const run = { upstream, model: target.model, begun };
      try {
        const answer = await upstream.health.track(() => attempt(upstream));
        this.#observe(run, exchange);
        return answer;
      } catch (thrown) {
        upstream.outstanding -= 1;
        const error = asGatewayError(thrown);
        if (exchange.runsModel) this.#failed(run, error);
        const isLast = attempts >= this.#options.attempts && upstream.isRetired !== true;
        if (isLast || isAnswering(exchange)) throw error;
        failures ??= { target, exchange, tried: new Set(), useless: new Set(), crashed: target.hasSchema === true };
        failures.tried.add(upstream);
        candidates = await this.#untried(error, upstream, failures);
        // A server that was not tried needs no pause.
        if (candidates.length === 0) candidates = await this.#triedAfterPause(error, attempts, failures);
      }
    }
  }

  /** Learns from an answer, of which some came. */
  #observe(run: Run, exchange: Exchange): void {
    const { begun, model, upstream } = run;
    const { loadTimes, modelHealth, outputRate } = upstream;
    const { runsModel, turns } = exchange;
    if (runsModel) loadTimes.began();
    // A refusal that is passed on is no answer, and a whole one ends in a moment.
    if (runsModel && exchange.phase === 'streaming') modelHealth.started(model, begun);
    exchange.onEnd(({ outcome, failure, usage }) => {
      upstream.outstanding -= 1;
      if (!runsModel) return;
      if (usage !== undefined) outputRate.observe(usage);
      loadTimes.ended(model, usage);
      // A later turn begins when this one is complete.
      if (outcome === 'ok' || exchange.turns > turns) modelHealth.succeeded(model, begun);
      else this.#failed(run, failure ?? passedRefusal(exchange));
    });
  }

  /** Notes a failure. If it ejects the model, what waits for it there moves to other servers. */
  #failed({ begun, model, upstream }: Run, error: GatewayError | undefined): void {
    const { modelHealth, queue } = upstream;
    if (!modelHealth.failed(model, begun, error) || queue === undefined) return;
    const others = this.#serving({ model }).some(
      (other) => other !== upstream && isUp(other) && other.modelHealth.stateOf(model) === 'works',
    );
    if (others) queue.refuseWaiting(upstreamDown(), model);
    else if (modelHealth.stateOf(model) === 'silent') queue.refuseWaiting(modelHealth.refusal(model), model);
  }

  /** @returns those of the servers on which the model works */
  #working(upstreams: readonly Upstream[], { model }: Target, exchange: Exchange): readonly Upstream[] {
    if (!exchange.runsModel || !someEjected(upstreams, model)) return upstreams;
    const { probe } = this.#options;
    const embeds = exchange.estimate.outputTokens === 0;
    return workingUpstreams(
      upstreams,
      model,
      probe &&
        ((upstream) => {
          void upstream.modelHealth.probe(model, async () => await probe(upstream, model, embeds));
        }),
    );
  }

  /** @returns servers that were not tried and may do better; empty if there are none. @throws the error if it must not be retried */
  async #untried(error: GatewayError, failed: Upstream, failures: Failures): Promise<readonly Upstream[]> {
    const { target, exchange, tried, useless } = failures;
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
    const working = this.#working(untried, target, exchange);
    if (working.length === 0) return [];
    // Each server is tried once. A request that was lost or never begun adds no load to any of them.
    const isFree = isUnknownModel || neverBegun.has(error.code) || isConnectionLost(error) || !isUp(failed);
    if (!isFree) this.#spend(error);
    this.#options.onRetry(failed.name, error.code);
    return working;
  }

  /** Pauses, if a failed server may do better after it. @returns those servers. @throws `failure` if there are none */
  async #triedAfterPause(
    failure: GatewayError,
    attempts: number,
    { exchange, tried, useless }: Failures,
  ): Promise<readonly Upstream[]> {
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

  /** @returns the error if no server may be used: all are ejected, or silent with the model */
  #noneLeft(target: Target): GatewayError {
    const serving = this.#serving(target);
    const silent = serving.find(isUp)?.modelHealth.refusal(target.model);
    if (silent !== undefined) return silent;
    const retryInMs = serving.map(({ health }) => health.retryInMs);
    return allUpstreamsDown(retryInMs, serving.length < this.upstreams.length);
  }

  /** Milliseconds before a retry, with a jitter of 25 %. */
  #pause(attempts: number): number {
    const { base, cap } = this.#options;
    return Math.min(cap, base * 2 ** (attempts - 1)) * (0.75 + Math.random() / 2);
  }
}

/** Errors of requests that no server got. */
const neverBegun: ReadonlySet<string> = new Set(['queue_full', 'upstream_down']);

function isUp({ health, isRetired }: Upstream): boolean {
  return isRetired !== true && health.retryInMs === 0;
}

/** True if a server's model list has the model, or is not known yet. */
function mayHave({ catalog }: Upstream, { model }: Target): boolean {
  return catalog.has(model) || catalog.failedLastTime || catalog.listed.length === 0;
}

/** @returns the error for a refusal that was passed on to the client and is not about the request; undefined for others */
function passedRefusal({ status }: Exchange): GatewayError | undefined {
  if (status === 429) return new GatewayError('upstream_busy', '', { retryAfter: 5 }).asAnswer(status, true);
  const isOfAccount = status === 401 || status === 402 || status === 403;
  return isOfAccount ? new GatewayError('upstream_error', '').asAnswer(status, true) : undefined;
}

/** True once a retry would generate the answer twice, or nobody waits for it. */
function isAnswering({ phase, signal }: Exchange): boolean {
  return phase === 'streaming' || signal.aborted;
}
