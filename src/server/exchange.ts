import { randomUUID } from 'node:crypto';
import type { Total } from '../chat/stream.ts';
import { totalOf } from '../chat/total.ts';
import { GatewayError, asGatewayError } from '../errors.ts';
import type { Key } from '../policy/keys.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { Metrics, Phase } from '../telemetry/metrics.ts';

/** Where exchanges report to. */
export interface ExchangeSinks {
  readonly metrics: Metrics;
  readonly logger: Logger;
  /** The bounded name of a model. */
  readonly modelLabel: (model: string) => string;
}

export type Outcome = 'ok' | 'client_error' | 'client_closed' | 'upstream_error' | 'server_error';

/**
 * One request and its answer, from head to last byte: what the log line and the metrics say of it, and the switch that
 * ends its upstream request. It ends once; a stream's end is its last byte, not the return of its handler.
 */
export class Exchange {
  readonly method: string;
  key: Key | undefined;
  model: string | undefined;
  /** The upstream it was sent to, once it was. */
  upstream: string | undefined;
  status = 200;
  /** Set by a handler that answers with a stream: it ends the exchange, not the handler's return. */
  streaming = false;
  phase: Phase = 'request';

  readonly #sinks: ExchangeSinks;
  readonly #controller = new AbortController();
  readonly #onEnd: (exchange: Exchange) => void;
  #id: string | undefined;
  #idPrefix = 'req_';
  #route = 'unmatched';
  /** On the clock of `performance.now()`. */
  readonly startedAt = performance.now();
  #firstChunkAt: number | undefined;
  #lastChunkAt = 0;
  #total: Total | undefined;
  #ended = false;

  /** @param clientId the client's own id of this request, where it brought one */
  constructor(method: string, clientId: string | undefined, sinks: ExchangeSinks, onEnd: (exchange: Exchange) => void) {
    this.method = method;
    this.#id = clientId;
    this.#sinks = sinks;
    this.#onEnd = onEnd;
  }

  /** The `x-request-id`, in every log line and in the answer itself. */
  get id(): string {
    this.#id ??= this.#idPrefix + randomUUID().replaceAll('-', '');
    return this.#id;
  }

  /** Names the route, and what the id begins with where the client brought none. */
  label(route: string, idPrefix: string): void {
    this.#route = route;
    this.#idPrefix = idPrefix;
  }

  /** Aborted with a GatewayError when the client left, the service stops, or the exchange failed: all its work ends. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  cancel(reason: GatewayError): void {
    if (!this.#ended) this.#controller.abort(reason);
  }

  /** The client's connection is gone before the answer was complete. */
  clientLeft(): void {
    this.cancel(new GatewayError('client_closed', 'The client closed the connection.'));
  }

  /** Something of the answer arrived from the upstream. */
  chunk(): void {
    const now = performance.now();
    if (this.#firstChunkAt === undefined) {
      this.#firstChunkAt = now;
      this.phase = 'streaming';
    } else if (this.model !== undefined) {
      this.#sinks.metrics.chunkGap.observe(this.#upstreamLabels(), (now - this.#lastChunkAt) / 1000);
    }
    this.#lastChunkAt = now;
  }

  /** What the upstream counted, at the end of an answer; where it took several, they add up. */
  measured(total: Total): void {
    this.#total = this.#total === undefined ? total : totalOf([this.#total, total]);
  }

  /** Ends the exchange; later calls change nothing. @param thrown what went wrong, if anything did */
  end(thrown?: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    // After an abort, whatever broke is a consequence of it.
    const error: unknown = this.signal.aborted ? this.signal.reason : thrown;
    const failure = error === undefined ? undefined : asGatewayError(error);
    const outcome = outcomeOf(failure, this.status);
    const durationSeconds = (performance.now() - this.startedAt) / 1000;
    this.#observe(outcome, failure, durationSeconds);
    this.#log(outcome, failure, durationSeconds);
    this.#onEnd(this);
    if (failure !== undefined) this.#controller.abort(failure);
  }

  get #modelLabel(): string {
    return this.model === undefined ? 'none' : this.#sinks.modelLabel(this.model);
  }

  #upstreamLabels(): { model: string; upstream: string } {
    return { model: this.#modelLabel, upstream: this.upstream ?? 'none' };
  }

  #observe(outcome: Outcome, failure: GatewayError | undefined, durationSeconds: number): void {
    const { metrics } = this.#sinks;
    const route = this.#route;
    const key = this.key?.name ?? 'none';
    const labels = this.#upstreamLabels();
    const { model } = labels;
    metrics.requests.inc({ route, key, outcome, ...labels });
    metrics.duration.observe({ route, model, outcome }, durationSeconds);
    if (this.#firstChunkAt !== undefined && this.model !== undefined) {
      metrics.firstToken.observe(labels, (this.#firstChunkAt - this.startedAt) / 1000);
    }
    if (outcome === 'client_closed') metrics.disconnects.inc({ phase: this.phase });
    if (failure?.fromUpstream === true) metrics.upstreamErrors.inc({ upstream: labels.upstream, code: failure.code });
    if (this.#total === undefined) return;
    const { usage, timings } = this.#total;
    metrics.tokens.inc({ key, model, type: 'input' }, usage.inputTokens);
    metrics.tokens.inc({ key, model, type: 'output' }, usage.outputTokens);
    if (timings.load !== undefined) metrics.upstreamLoad.observe(labels, timings.load);
    if (timings.promptEval !== undefined) metrics.upstreamPromptEval.observe(labels, timings.promptEval);
    if (timings.eval === undefined) return;
    metrics.upstreamEval.observe(labels, timings.eval);
    if (usage.outputTokens > 0) metrics.timePerOutputToken.observe(labels, timings.eval / usage.outputTokens);
  }

  #log(outcome: Outcome, failure: GatewayError | undefined, durationSeconds: number): void {
    const line = {
      request_id: this.id,
      method: this.method,
      route: this.#route,
      status: this.status,
      outcome,
      key: this.key?.name,
      model: this.model?.slice(0, 200),
      upstream: this.upstream,
      ttft_ms: this.#firstChunkAt === undefined ? undefined : Math.round(this.#firstChunkAt - this.startedAt),
      duration_ms: Math.round(durationSeconds * 1000),
      input_tokens: this.#total?.usage.inputTokens,
      output_tokens: this.#total?.usage.outputTokens,
      phase: outcome === 'client_closed' ? this.phase : undefined,
      error: failure?.code,
      // A code such as ECONNREFUSED. Never the cause's text: an upstream's errors may quote prompts and answers.
      cause: causeCode(failure),
    };
    if (failure?.code === 'internal_error')
      this.#sinks.logger.error({ ...line, stack: stackOf(failure.cause) }, 'request');
    else this.#sinks.logger.info(line, 'request');
  }
}

function outcomeOf(failure: GatewayError | undefined, status: number): Outcome {
  if (failure === undefined) return status < 400 ? 'ok' : status < 500 ? 'client_error' : 'upstream_error';
  if (failure.code === 'client_closed') return 'client_closed';
  if (failure.fromUpstream) return 'upstream_error';
  return failure.status < 500 ? 'client_error' : 'server_error';
}

function causeCode(failure: GatewayError | undefined): string | undefined {
  const cause = failure?.cause;
  return cause instanceof Error ? (cause as NodeJS.ErrnoException).code : undefined;
}

/** Where a fault of ours was thrown, without its message: that could quote what it choked on. */
function stackOf(cause: unknown): string | undefined {
  if (!(cause instanceof Error) || cause.stack === undefined) return undefined;
  return `${cause.name}\n${cause.stack
    .split('\n')
    .filter((line) => /^\s+at /.test(line))
    .join('\n')}`;
}
