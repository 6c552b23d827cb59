import { Counter, Gauge, Registry, collectDefaultMetrics } from 'prom-client';
import { upstreamFailures } from '../errors.ts';
import { AnswerMetrics } from './answer-metrics.ts';
import { type ConfiguredLabels, ConfiguredSeries } from './configured-series.ts';
import { SeriesHistogram } from './series.ts';
import { StatusMetrics } from './status-metrics.ts';

/** Histogram buckets in seconds. */
const seconds = {
  request: [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160, 320, 640],
  firstToken: [0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160, 320],
  token: [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1, 2.5],
};

/**
 * All metrics of llamaduct. Label values are bounded: `route` is one of our routes, `model` a model that an upstream
 * lists or `other`, `key` a name that the operator gave. No histogram has a `key` label: keys times models times
 * buckets would be too many.
 */
export class Metrics {
  readonly registry = new Registry();
  readonly #in = { registers: [this.registry] };
  readonly #configured = new ConfiguredSeries(this.registry);
  readonly status = new StatusMetrics(this.registry, this.#configured);
  readonly answers = new AnswerMetrics(this.registry);

  readonly requests = new Counter({
    name: 'llamaduct_requests_total',
    help: 'Completed requests, by outcome: ok, client_error, client_closed, upstream_error or server_error.',
    labelNames: ['route', 'model', 'upstream', 'key', 'outcome'],
    ...this.#in,
  });
  readonly duration = new SeriesHistogram<'route' | 'model' | 'outcome'>(this.registry, {
    name: 'llamaduct_request_duration_seconds',
    help: 'Time from the request head to the last byte of the answer.',
    buckets: seconds.request,
  });
  readonly firstToken = new SeriesHistogram<'model' | 'upstream'>(this.registry, {
    name: 'llamaduct_time_to_first_token_seconds',
    help: 'Time from the request head to the first chunk of the answer from the upstream.',
    buckets: seconds.firstToken,
  });
  readonly chunkGap = new SeriesHistogram<'model' | 'upstream'>(this.registry, {
    name: 'llamaduct_inter_chunk_seconds',
    help: 'Time between two chunks of an answer from the upstream. A chunk is what arrived at once, not a token.',
    buckets: seconds.token,
  });
  readonly timePerOutputToken = new SeriesHistogram<'model' | 'upstream'>(this.registry, {
    name: 'llamaduct_time_per_output_token_seconds',
    help: "The upstream's own generation time per output token.",
    buckets: seconds.token,
  });
  readonly upstreamLoad = this.#upstreamSeconds('load', 'loading the model, including the wait for it');
  readonly upstreamPromptEval = this.#upstreamSeconds('prompt_eval', 'evaluating the prompt');
  readonly upstreamEval = this.#upstreamSeconds('eval', 'generating');
  readonly tokens = new Counter({
    name: 'llamaduct_tokens_total',
    help: 'Tokens counted by the upstream, by type: input or output.',
    labelNames: ['key', 'model', 'type'],
    ...this.#in,
  });
  /** The running requests; read on every scrape. */
  running: { readonly size: number } | undefined;
  readonly inFlight = new Gauge({
    name: 'llamaduct_in_flight',
    help: 'Running requests.',
    collect: () => {
      this.inFlight.set(this.running?.size ?? 0);
    },
    ...this.#in,
  });
  readonly connectionsDropped = new Counter({
    name: 'llamaduct_connections_dropped_total',
    help: 'Connections closed because too many were open: new ones, and idle ones that made room for them.',
    ...this.#in,
  });
  readonly upstreamUp = new Gauge({
    name: 'llamaduct_upstream_up',
    help: '1 if the upstream could be reached at the last request, otherwise 0.',
    labelNames: ['upstream'],
    ...this.#in,
  });
  readonly upstreamErrors = new Counter({
    name: 'llamaduct_upstream_errors_total',
    help: 'Failures of the upstream, by error code.',
    labelNames: ['upstream', 'code'],
    ...this.#in,
  });
  readonly ejected = new Gauge({
    name: 'llamaduct_upstream_ejected',
    help: '1 if the upstream is ejected after consecutive failures, otherwise 0.',
    labelNames: ['upstream'],
    ...this.#in,
  });
  readonly modelEjected = new Gauge({
    name: 'llamaduct_model_ejected',
    help: '1 if the upstream failed with the model several times in a row, so that other upstreams get its requests, otherwise 0.',
    labelNames: ['upstream', 'model'],
    ...this.#in,
  });
  readonly retries = new Counter({
    name: 'llamaduct_retries_total',
    help: 'Retried requests, by the upstream that failed and its error code.',
    labelNames: ['upstream', 'code'],
    ...this.#in,
  });
  readonly authFailures = new Counter({
    name: 'llamaduct_auth_failures_total',
    help: 'Requests refused because of their key or origin, by reason: missing, unknown, expired, scope, model, address, host or origin.',
    labelNames: ['reason'],
    ...this.#in,
  });
  readonly disconnects = new Counter({
    name: 'llamaduct_disconnects_total',
    help: 'Clients that disconnected before their answer was complete, by phase: request, waiting or streaming.',
    labelNames: ['phase'],
    ...this.#in,
  });

  readonly lossy = new Counter({
    name: 'llamaduct_translation_lossy_total',
    help: "Dropped request fields, by the API's name of the field, or other.",
    labelNames: ['field'],
    ...this.#in,
  });
  readonly contextOverflow = new Counter({
    name: 'llamaduct_context_overflow_total',
    help: 'Prompts longer than the context, by outcome: refused or truncated.',
    labelNames: ['model', 'outcome'],
    ...this.#in,
  });

  /** The queues by upstream; read on every scrape. */
  readonly queues = new Map<string, { readonly size: number; readonly inFlight: number }>();
  readonly queueDepth = new Gauge({
    name: 'llamaduct_queue_depth',
    help: 'Requests that wait in the queue.',
    labelNames: ['upstream'],
    collect: () => {
      this.queueDepth.reset();
      for (const [upstream, { size }] of this.queues) this.queueDepth.set({ upstream }, size);
    },
    ...this.#in,
  });
  readonly upstreamInFlight = new Gauge({
    name: 'llamaduct_upstream_in_flight',
    help: 'Requests that the upstream is serving, for upstreams with a queue.',
    labelNames: ['upstream'],
    collect: () => {
      this.upstreamInFlight.reset();
      for (const [upstream, { inFlight }] of this.queues) this.upstreamInFlight.set({ upstream }, inFlight);
    },
    ...this.#in,
  });
  readonly queueWait = new SeriesHistogram<'upstream'>(this.registry, {
    name: 'llamaduct_queue_wait_seconds',
    help: 'Time that requests waited in the queue, for upstreams with a queue.',
    buckets: [0.001, ...seconds.request],
  });
  readonly rateLimited = new Counter({
    name: 'llamaduct_rate_limited_total',
    help: 'Requests refused by a limit of their key or its group, by the name of the setting.',
    labelNames: ['key', 'limit'],
    ...this.#in,
  });
  readonly limitsUp = new Gauge({
    name: 'llamaduct_limits_store_up',
    help: '1 if the last attempt to count limits succeeded, otherwise 0.',
    ...this.#in,
  });
  readonly unlimited = new Counter({
    name: 'llamaduct_limits_unchecked_total',
    help: 'Requests while limits could not be counted, by outcome: let_in or refused.',
    labelNames: ['outcome'],
    ...this.#in,
  });
  readonly usageFailures = new Counter({
    name: 'llamaduct_usage_failures_total',
    help: 'Usage rows that were lost, and failed attempts to delete expired ones.',
    ...this.#in,
  });
  /** Returns the number of log lines that were lost so far; read on every scrape. */
  lostLogLines = (): number => 0;
  readonly logLinesLost = new Counter({
    name: 'llamaduct_log_lines_lost_total',
    help: 'Log lines that could not be written, for example because the disk was full.',
    collect: () => {
      this.logLinesLost.reset();
      this.logLinesLost.inc(this.lostLogLines());
    },
    ...this.#in,
  });
  readonly reloadSuccess = new Gauge({
    name: 'llamaduct_config_last_reload_success',
    help: '1 if the last configuration that was read is in use, otherwise 0.',
    ...this.#in,
  });
  readonly reloadedAt = new Gauge({
    name: 'llamaduct_config_last_reload_success_timestamp_seconds',
    help: 'Unix time in seconds at which the configuration in use was read.',
    ...this.#in,
  });

  constructor(version: string) {
    collectDefaultMetrics({ register: this.registry });
    new Gauge({
      name: 'llamaduct_build_info',
      help: 'Always 1; the labels contain the versions.',
      labelNames: ['version', 'node'],
      ...this.#in,
    }).set({ version, node: process.versions.node }, 1);
    // Starts at 1, because nothing has failed yet and alerts fire on 0.
    this.limitsUp.set(1);
    for (const reason of authFailureReasons) this.authFailures.inc({ reason }, 0);
    for (const outcome of outcomes) this.duration.of({ route: 'none', model: 'none', outcome });
    for (const phase of phases) this.disconnects.inc({ phase }, 0);
    for (const outcome of ['let_in', 'refused']) this.unlimited.inc({ outcome }, 0);
    for (const outcome of ['refused', 'truncated']) this.contextOverflow.inc({ model: 'other', outcome }, 0);
  }

  /**
   * Creates the series of what is configured, at 0, so that a rate includes their first event. From the next scrape on, series
   * of keys and upstreams that are not configured are gone, also those of earlier configurations.
   */
  configure(labels: ConfiguredLabels): void {
    this.#configured.use(labels);
    const none = { route: 'none', model: 'none', upstream: 'none', key: 'none' };
    for (const limited of labels.limits) this.rateLimited.inc(limited, 0);
    for (const key of labels.keys) {
      this.requests.inc({ ...none, key, outcome: 'ok' }, 0);
      for (const type of ['input', 'output']) this.tokens.inc({ key, model: 'none', type }, 0);
    }
    for (const { name: upstream, hasQueue } of labels.upstreams) {
      this.upstreamUp.inc({ upstream }, 0);
      this.ejected.inc({ upstream }, 0);
      this.answers.repetitions.inc({ model: 'none', upstream }, 0);
      for (const outcome of outcomes) this.requests.inc({ ...none, upstream, outcome }, 0);
      for (const code of upstreamFailures) this.upstreamErrors.inc({ upstream, code }, 0);
      for (const code of retried) this.retries.inc({ upstream, code }, 0);
      for (const histogram of this.#byUpstream) histogram.of({ model: 'none', upstream });
      if (hasQueue) this.queueWait.of({ upstream });
      else this.queues.delete(upstream);
    }
    const names = labels.upstreams.map(({ name }) => name);
    for (const upstream of this.queues.keys()) if (!names.includes(upstream)) this.queues.delete(upstream);
  }

  /** @returns all metrics in Prometheus' text format */
  async exposition(): Promise<string> {
    await this.#configured.removeOthers();
    return await this.registry.metrics();
  }

  get #byUpstream(): readonly SeriesHistogram<'model' | 'upstream'>[] {
    return [
      this.firstToken,
      this.chunkGap,
      this.timePerOutputToken,
      this.upstreamLoad,
      this.upstreamPromptEval,
      this.upstreamEval,
    ];
  }

  #upstreamSeconds(phase: string, activity: string): SeriesHistogram<'model' | 'upstream'> {
    return new SeriesHistogram(this.registry, {
      name: `llamaduct_upstream_${phase}_seconds`,
      help: `The upstream's own time spent ${activity}.`,
      buckets: seconds.firstToken,
    });
  }
}

const outcomes = ['ok', 'client_error', 'client_closed', 'upstream_error', 'server_error'] as const;
/** The outcome of a request. */
export type Outcome = (typeof outcomes)[number];

/** Errors after which the pool may retry a request. */
const retried = [...upstreamFailures, 'model_not_found', 'queue_full'] as const;

const authFailureReasons = ['missing', 'unknown', 'expired', 'scope', 'model', 'address', 'host', 'origin'] as const;
export type AuthFailureReason = (typeof authFailureReasons)[number];

/** Phases of a request: its body is read, it waits for the answer, the answer is sent. */
const phases = ['request', 'waiting', 'streaming'] as const;
export type Phase = (typeof phases)[number];
