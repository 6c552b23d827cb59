import { randomUUID } from 'node:crypto';
import type { Usage } from '../chat/event.ts';
import type { TotalUsage } from '../chat/stream.ts';
import { sumUsage } from '../chat/sum-usage.ts';
import { Cancellation, type Signal } from '../cancellation.ts';
import { GatewayError, asGatewayError } from '../errors.ts';
import type { Key } from '../policy/keys.ts';
import type { Forecast } from '../scheduling/forecast.ts';
import type { Phase } from '../telemetry/metrics.ts';

/** Where exchanges report to. */
export interface ExchangeObservers {
  /** The bounded name of a model. */
  readonly modelLabel: (model: string) => string;
  /** What hears of the gaps between the pieces of its answer, in seconds. */
  readonly gaps: (exchange: Exchange) => { observe(seconds: number): void };
  readonly ended: (exchange: Exchange, ending: Ending) => void;
}

export type Outcome = 'ok' | 'client_error' | 'client_closed' | 'upstream_error' | 'server_error';

/** How an exchange ended. */
export interface Ending {
  readonly outcome: Outcome;
  readonly failure: GatewayError | undefined;
  readonly seconds: number;
  /** What the upstream counted, where it told. */
  readonly usage: TotalUsage | undefined;
  /** What is charged for it. */
  readonly charged: Pick<Usage, 'inputTokens' | 'outputTokens'>;
}

/**
 * One request and its answer, from head to last byte: what there is to tell of it, and the switch that ends its upstream
 * request. It ends once; a stream's end is its last byte, not the return of its handler.
 */
export class Exchange {
  readonly method: string;
  /** Its pattern. */
  route = 'unmatched';
  /** Whether a model runs for it, or would have. */
  runsModel = false;
  key: Key | undefined;
  /** Whether the client itself says that nobody waits for the answer. */
  batch = false;
  model: string | undefined;
  /** The upstream it was sent to, once it was. */
  upstream: string | undefined;
  status = 200;
  /** Set by a handler that answers with a stream: it ends the exchange, not the handler's return. */
  streaming = false;
  phase: Phase = 'request';
  /** Tokens before anybody has counted them; none are generated for embeddings. */
  estimate: Ending['charged'] = { inputTokens: 0, outputTokens: 0 };
  /** Milliseconds that it waited for its turn. */
  queuedMs = 0;
  /** Its choices that wait for their turn. */
  waitingChoices = 0;
  /** Its choices that had their turn. */
  startedChoices = 0;
  /** Where it stands in the queue, while it waits there; of several choices the first. */
  queuePosition: (() => Forecast | undefined) | undefined;
  /** On the clock of `performance.now()`. */
  readonly startedAt = performance.now();
  /** What every answer to it says, be it an error. */
  readonly headers: Record<string, string> = {};

  readonly #sinks: ExchangeObservers;
  readonly #cancellation = new Cancellation();
  #id: string | undefined;
  #idPrefix = 'req_';
  #firstChunkAt: number | undefined;
  #lastChunkAt = 0;
  #chunks = 0;
  #gaps: { observe(seconds: number): void } | undefined;
  readonly #onEnd: ((ending: Ending) => void)[] = [];
  readonly #chunkTimers = new Set<NodeJS.Timeout>();
  #endTimer: NodeJS.Timeout | undefined;
  #total: TotalUsage | undefined;
  #ending: Ending | undefined;

  /** @param clientId the client's own id of this request, where it brought one */
  constructor(method: string, clientId: string | undefined, sinks: ExchangeObservers) {
    this.method = method;
    this.#id = clientId;
    this.#sinks = sinks;
  }

  /** The `x-request-id`, in every log line and in the answer itself. */
  get id(): string {
    this.#id ??= this.#idPrefix + randomUUID().replaceAll('-', '');
    return this.#id;
  }

  /** Names the route, and what the id begins with where the client brought none. */
  label(route: string, idPrefix: string, runsModel: boolean): void {
    this.route = route;
    this.runsModel = runsModel;
    this.#idPrefix = idPrefix;
  }

  /** The model as metrics show it, and the usage. */
  get modelLabel(): string {
    return this.model === undefined ? 'none' : this.#sinks.modelLabel(this.model);
  }

  /** Seconds from the head of the request to the first piece of its answer. */
  get secondsToFirstChunk(): number | undefined {
    return this.#firstChunkAt === undefined ? undefined : (this.#firstChunkAt - this.startedAt) / 1000;
  }

  /** Hears of the end, once; now, if it has ended. */
  onEnd(hear: (ending: Ending) => void): void {
    if (this.#ending === undefined) this.#onEnd.push(hear);
    else hear(this.#ending);
  }

  /** Aborted with a GatewayError when the client left, the service stops, or the exchange failed: all its work ends. */
  get signal(): Signal {
    return this.#cancellation;
  }

  /** The same, for what takes nothing else. */
  get abortSignal(): AbortSignal {
    return this.#cancellation.signal;
  }

  /**
   * Ends it with an error when so many milliseconds have passed without anything of an answer; 0 for never. Of several
   * choices whichever is expected first decides.
   *
   * @returns a function to call when nothing is expected any more
   */
  startFirstTokenTimer(milliseconds: number): () => void {
    if (milliseconds === 0 || this.#firstChunkAt !== undefined) return () => undefined;
    const timer = setTimeout(() => {
      const message = 'The model did not begin to answer in time.';
      this.cancel(new GatewayError('first_token_timeout', message, { retryAfter: 5 }));
    }, milliseconds);
    this.#chunkTimers.add(timer);
    return () => {
      clearTimeout(timer);
      this.#chunkTimers.delete(timer);
    };
  }

  /** Ends it with an error when it has not ended after so many milliseconds; 0 for never. */
  startTotalTimer(milliseconds: number): void {
    if (milliseconds === 0) return;
    this.#endTimer = setTimeout(() => {
      this.cancel(new GatewayError('total_timeout', 'The answer took longer than it may.'));
    }, milliseconds);
  }

  /** Whether it waits in the queue with all that it asks for. */
  get isQueued(): boolean {
    return this.waitingChoices > 0 && this.startedChoices === 0;
  }

  cancel(reason: GatewayError): void {
    if (this.#ending === undefined) this.#cancellation.abort(reason);
  }

  /** The client's connection is gone before the answer was complete. */
  onClientLeft(): void {
    // Every connection closes, and an error knows its stack, which is dear.
    if (this.#ending === undefined) this.cancel(new GatewayError('client_closed', 'The client closed the connection.'));
  }

  /** Something of the answer arrived from the upstream. @param pieces how many of it, at once */
  onChunk(pieces: number): void {
    const now = performance.now();
    this.#chunks += pieces;
    if (this.#firstChunkAt === undefined) {
      this.#firstChunkAt = now;
      this.#expectNothing();
      this.phase = 'streaming';
    } else if (this.model !== undefined) {
      this.#gaps ??= this.#sinks.gaps(this);
      this.#gaps.observe((now - this.#lastChunkAt) / 1000);
    }
    this.#lastChunkAt = now;
  }

  /** What the upstream counted, at the end of an answer; where it took several, they add up. */
  addUsage(total: TotalUsage): void {
    this.#total = this.#total === undefined ? total : sumUsage([this.#total, total]);
  }

  /** Ends the exchange; later calls change nothing. @param thrown what went wrong, if anything did */
  end(thrown?: unknown): void {
    if (this.#ending !== undefined) return;
    // After an abort, whatever broke is a consequence of it.
    const error: unknown = this.signal.aborted ? this.signal.reason : thrown;
    const failure = error === undefined ? undefined : asGatewayError(error);
    const ending: Ending = {
      outcome: outcomeOf(failure, this.status),
      failure,
      seconds: (performance.now() - this.startedAt) / 1000,
      usage: this.#total,
      charged: this.#spent,
    };
    this.#ending = ending;
    this.#expectNothing();
    clearTimeout(this.#endTimer);
    for (const hear of this.#onEnd) hear(ending);
    this.#sinks.ended(this, ending);
    if (failure !== undefined) this.#cancellation.abort(failure);
  }

  #expectNothing(): void {
    for (const timer of this.#chunkTimers) clearTimeout(timer);
    this.#chunkTimers.clear();
  }

  /**
   * What was counted. Of an answer that broke off, or does not tell, the prompt as estimated, and a token for each piece
   * that came.
   */
  get #spent(): Ending['charged'] {
    if (this.#total !== undefined) return this.#total.usage;
    return this.#chunks === 0
      ? { inputTokens: 0, outputTokens: 0 }
      : {
          inputTokens: this.estimate.inputTokens,
          // Pieces of an embedding are no tokens.
          outputTokens: this.estimate.outputTokens > 0 ? this.#chunks : 0,
        };
  }
}

function outcomeOf(failure: GatewayError | undefined, status: number): Outcome {
  if (failure === undefined) return status < 400 ? 'ok' : status < 500 ? 'client_error' : 'upstream_error';
  if (failure.code === 'client_closed') return 'client_closed';
  if (failure.fromUpstream) return 'upstream_error';
  return failure.status < 500 ? 'client_error' : 'server_error';
}
