import { Counter, Gauge, Registry, collectDefaultMetrics } from 'prom-client';
import { SeriesHistogram } from './series.ts';

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

  readonly requests = new Counter({
    name: 'llamaduct_requests_total',
    help: 'Requests that ended, by outcome: ok, client_error, client_closed, upstream_error or server_error.',
    labelNames: ['route', 'model', 'upstream', 'key', 'outcome'],
    ...this.#in,
  });
  readonly duration = new SeriesHistogram<'route' | 'model' | 'outcome'>(this.registry, {
    name: 'llamaduct_request_duration_seconds',
    help: 'From the head of a request to the end of its answer, the last byte of a stream included.',
    buckets: seconds.request,
  });
  readonly firstToken = new SeriesHistogram<'model' | 'upstream'>(this.registry, {
    name: 'llamaduct_time_to_first_token_seconds',
    help: 'From the head of a request to the first piece of its answer from the upstream.',
    buckets: seconds.firstToken,
  });
  readonly chunkGap = new SeriesHistogram<'model' | 'upstream'>(this.registry, {
    name: 'llamaduct_inter_chunk_seconds',
    help: 'Gap between two pieces of an answer from the upstream. A piece is what arrived at once, not a token.',
    buckets: seconds.token,
  });
  readonly timePerOutputToken = new SeriesHistogram<'model' | 'upstream'>(this.registry, {
    name: 'llamaduct_time_per_output_token_seconds',
    help: "The upstream's own generation time, divided by the tokens it generated.",
    buckets: seconds.token,
  });
  readonly upstreamLoad = this.#upstreamSeconds('load', 'loading the model, waiting for it included');
  readonly upstreamPromptEval = this.#upstreamSeconds('prompt_eval', 'evaluating the prompt');
  readonly upstreamEval = this.#upstreamSeconds('eval', 'generating');
  readonly tokens = new Counter({
    name: 'llamaduct_tokens_total',
    help: 'Tokens as the upstream counted them, by type: input or output.',
    labelNames: ['key', 'model', 'type'],
    ...this.#in,
  });
  /** The running requests; read on every scrape. */
  running: { readonly size: number } | undefined;
  readonly inFlight = new Gauge({
    name: 'llamaduct_in_flight',
    help: 'Requests that have begun and not ended.',
    collect: () => {
      this.inFlight.set(this.running?.size ?? 0);
    },
    ...this.#in,
  });
  readonly connectionsDropped = new Counter({
    name: 'llamaduct_connections_dropped_total',
    help: 'Connections closed at once, for limits.connections were open.',
    ...this.#in,
  });
  readonly upstreamUp = new Gauge({
    name: 'llamaduct_upstream_up',
    help: 'Whether the upstream could be reached when it was last asked anything.',
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
    help: 'Whether the upstream failed so often that it is only looked at.',
    labelNames: ['upstream'],
    ...this.#in,
  });
  readonly retries = new Counter({
    name: 'llamaduct_retries_total',
    help: 'Requests asked again, by the upstream that failed and its error code.',
    labelNames: ['upstream', 'code'],
    ...this.#in,
  });
  readonly authFailures = new Counter({
    name: 'llamaduct_auth_failures_total',
    help: 'Requests refused for their key, by reason: missing, unknown, expired, scope or model.',
    labelNames: ['reason'],
    ...this.#in,
  });
  readonly disconnects = new Counter({
    name: 'llamaduct_disconnects_total',
    help: 'Clients that left before their answer was complete, by phase: request, waiting or streaming.',
    labelNames: ['phase'],
    ...this.#in,
  });

  readonly lossy = new Counter({
    name: 'llamaduct_translation_lossy_total',
    help: "Fields of requests that changed nothing, by the API's own name of the field or other.",
    labelNames: ['field'],
    ...this.#in,
  });
  readonly contextOverflow = new Counter({
    name: 'llamaduct_context_overflow_total',
    help: 'Prompts longer than the context, by what became of them: refused or truncated.',
    labelNames: ['model', 'outcome'],
    ...this.#in,
  });

  /** The queues by upstream; read on every scrape. */
  readonly queues = new Map<string, { readonly size: number; readonly inFlight: number }>();
  readonly queueDepth = new Gauge({
    name: 'llamaduct_queue_depth',
    help: 'Requests that wait for their turn.',
    labelNames: ['upstream'],
    collect: () => {
      for (const [upstream, { size }] of this.queues) this.queueDepth.set({ upstream }, size);
    },
    ...this.#in,
  });
  readonly upstreamInFlight = new Gauge({
    name: 'llamaduct_upstream_in_flight',
    help: 'Requests that the upstream has, where it is told how many it takes.',
    labelNames: ['upstream'],
    collect: () => {
      for (const [upstream, { inFlight }] of this.queues) this.upstreamInFlight.set({ upstream }, inFlight);
    },
    ...this.#in,
  });
  readonly queueWait = new SeriesHistogram<'upstream'>(this.registry, {
    name: 'llamaduct_queue_wait_seconds',
    help: 'Until a request got its turn, where requests wait for one.',
    buckets: [0.001, ...seconds.request],
  });
  readonly rateLimited = new Counter({
    name: 'llamaduct_rate_limited_total',
    help: 'Requests refused for a limit of their key or of its group, by the name of its setting.',
    labelNames: ['key', 'limit'],
    ...this.#in,
  });
  readonly limitsUp = new Gauge({
    name: 'llamaduct_limits_store_up',
    help: 'Whether limits could be counted when one was last asked for.',
    ...this.#in,
  });
  readonly unlimited = new Counter({
    name: 'llamaduct_limits_unchecked_total',
    help: 'Requests decided while limits could not be counted, by what became of them: let_in or refused.',
    labelNames: ['outcome'],
    ...this.#in,
  });
  readonly usageFailures = new Counter({
    name: 'llamaduct_usage_failures_total',
    help: 'Rows of usage that could not be written, and times that old ones could not be deleted.',
    ...this.#in,
  });
  readonly reloadSuccess = new Gauge({
    name: 'llamaduct_config_last_reload_success',
    help: 'Whether the configuration in use is the one that was last read.',
    ...this.#in,
  });
  readonly reloadedAt = new Gauge({
    name: 'llamaduct_config_last_reload_success_timestamp_seconds',
    help: 'When the configuration in use was read, in Unix seconds.',
    ...this.#in,
  });

  constructor(version: string) {
    collectDefaultMetrics({ register: this.registry });
    new Gauge({
      name: 'llamaduct_build_info',
      help: 'Always 1; the labels tell what runs.',
      labelNames: ['version', 'node'],
      ...this.#in,
    }).set({ version, node: process.versions.node }, 1);
    // Starts at 1, because nothing has failed yet and alerts fire on 0.
    this.limitsUp.set(1);
    for (const reason of authFailureReasons) this.authFailures.inc({ reason }, 0);
    for (const phase of phases) this.disconnects.inc({ phase }, 0);
  }

  #upstreamSeconds(phase: string, activity: string): SeriesHistogram<'model' | 'upstream'> {
    return new SeriesHistogram(this.registry, {
      name: `llamaduct_upstream_${phase}_seconds`,
      help: `The upstream's own time spent ${activity}.`,
      buckets: seconds.firstToken,
    });
  }
}

const authFailureReasons = ['missing', 'unknown', 'expired', 'scope', 'model'] as const;
export type AuthFailureReason = (typeof authFailureReasons)[number];

/** Phases of a request: its body is read, it waits for the answer, the answer is sent. */
const phases = ['request', 'waiting', 'streaming'] as const;
export type Phase = (typeof phases)[number];
