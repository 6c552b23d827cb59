import { setTimeout as sleep } from 'node:timers/promises';
import { choose } from '../balancing/choose.ts';
import type { Backend } from '../chat/backend.ts';
import { GatewayError, asGatewayError } from '../errors.ts';
import type { BackendKind } from '../upstreams/index.ts';
import { Catalogs } from '../upstreams/catalogs.ts';
import type { Exchange } from './exchange.ts';
import { RetryBudget } from './retry-budget.ts';
import { type Upstream, modelToLoad } from './upstream.ts';

/** What the choice of an upstream depends on. */
export interface Wanted {
  readonly model: string;
  /** What all requests of a conversation have in common; undefined for what is none. Asked only where there is a choice. */
  readonly conversation: () => string | undefined;
  /** What it has to speak, where that matters. */
  readonly kind?: BackendKind;
}

interface FleetOptions {
  readonly attempts: number;
  /** Milliseconds until the same upstream is asked again, twice as long each time, up to `cap`. */
  readonly base: number;
  readonly cap: number;
  /** Of all requests, that may be asked again. */
  readonly share: number;
  readonly onRetry: (upstream: string, code: string) => void;
}

/** Milliseconds that a prompt cache is worth. */
const slack = 2_000;

/** The upstreams, and which of them a request goes to. */
export class Fleet {
  readonly upstreams: readonly [Upstream, ...Upstream[]];
  /** The models of all. */
  readonly catalog: Catalogs;
  readonly #options: FleetOptions;
  readonly #budget: RetryBudget;
  readonly #outstanding = new Map<Upstream, number>();

  constructor(upstreams: readonly [Upstream, ...Upstream[]], options: FleetOptions) {
    this.upstreams = upstreams;
    this.catalog = new Catalogs(upstreams.map(({ catalog }) => catalog));
    this.#options = options;
    this.#budget = new RetryBudget(options.share);
  }

  /** The one kind of upstream that a model may go to; undefined where there are several. */
  kindFor(model: string): BackendKind | undefined {
    const [first, ...others] = this.#serving(model).map(({ kind }) => kind);
    return others.every((kind) => kind === first) ? first : undefined;
  }

  /** What a model's upstream speaks. */
  backendOf(model: string): Backend {
    return (this.#serving(model)[0] ?? this.upstreams[0]).backend;
  }

  /**
   * Asks an upstream, and another where it fails before anything of an answer came.
   *
   * @param ask resolves when there is something of an answer
   * @throws {GatewayError} what the last one failed with; 503 `upstream_down` at once where none is up
   */
  async ask<T>(exchange: Exchange, wanted: Wanted, ask: (upstream: Upstream) => Promise<T>): Promise<T> {
    this.#budget.request();
    const { model, kind } = wanted;
    const serving = this.#serving(model).filter((one) => kind === undefined || one.kind === kind);
    const failed = new Set<Upstream>();
    for (let attempt = 1; ; attempt += 1) {
      const upstream = this.#chosen(
        serving.filter((one) => isUp(one) && !failed.has(one)),
        wanted,
      );
      if (upstream === undefined) throw allDown(serving);
      exchange.phase = 'waiting';
      exchange.upstream = upstream.name;
      const leave = this.#enter(upstream, exchange);
      try {
        return await upstream.health.watch(async () => await ask(upstream));
      } catch (thrown) {
        leave();
        const error = asGatewayError(thrown);
        const again = attempt < this.#options.attempts && mayBeAskedAgain(error, exchange) && this.#budget.retry();
        if (!again) throw error;
        failed.add(upstream);
        this.#options.onRetry(upstream.name, error.code);
        // Another one need not be waited for.
        if (serving.some((one) => isUp(one) && !failed.has(one))) continue;
        failed.clear();
        await sleep(this.#pause(attempt), undefined, { signal: exchange.signal }).catch(() => undefined);
        exchange.signal.throwIfAborted();
      }
    }
  }

  /** Those that have a model; all where none is known to: it may have been pulled a moment ago. */
  #serving(model: string): readonly Upstream[] {
    const having = this.upstreams.filter(({ catalog }) => catalog.has(model));
    return having.length > 0 ? having : this.upstreams;
  }

  #chosen(upstreams: readonly Upstream[], { model, conversation }: Wanted): Upstream | undefined {
    // Where there is no choice nothing has to be weighed.
    if (upstreams.length <= 1) return upstreams[0];
    const candidates = upstreams.map((upstream) => ({
      upstream,
      name: upstream.name,
      weight: upstream.weight,
      outstanding: this.#outstanding.get(upstream) ?? 0,
      ...(upstream.queue?.delayOf(modelToLoad(upstream, model)) ?? { wait: 0, load: 0 }),
    }));
    return choose(candidates, conversation(), slack)[0]?.upstream;
  }

  /** @returns a function to call when the upstream is done with the exchange; its end does so too */
  #enter(upstream: Upstream, exchange: Exchange): () => void {
    this.#outstanding.set(upstream, (this.#outstanding.get(upstream) ?? 0) + 1);
    let left = false;
    const leave = (): void => {
      if (left) return;
      left = true;
      this.#outstanding.set(upstream, (this.#outstanding.get(upstream) ?? 1) - 1);
    };
    exchange.whenEnded(leave);
    return leave;
  }

  /** Milliseconds, a quarter more or less. */
  #pause(attempt: number): number {
    const { base, cap } = this.#options;
    return Math.min(cap, base * 2 ** (attempt - 1)) * (0.75 + Math.random() / 2);
  }
}

function isUp({ health }: Upstream): boolean {
  return health.downFor === 0;
}

function allDown(upstreams: readonly Upstream[]): GatewayError {
  const soonest = Math.min(...upstreams.map(({ health }) => health.downFor));
  const retryAfter = Math.max(1, Math.ceil(soonest / 1000));
  return new GatewayError('upstream_down', 'No upstream can be reached.', { retryAfter });
}

/** Only before anything came: later it would be generated twice. */
function mayBeAskedAgain({ code, status }: GatewayError, { phase, signal }: Exchange): boolean {
  const codes = ['upstream_unreachable', 'upstream_down', 'upstream_error', 'upstream_busy', 'model_load_failed'];
  return phase !== 'streaming' && !signal.aborted && status >= 500 && codes.includes(code);
}
