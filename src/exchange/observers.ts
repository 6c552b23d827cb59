import type { GatewayError } from '../errors.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { UsageLedger } from '../usage/ledger.ts';
import type { Ending } from './ending.ts';
import type { Exchange, ExchangeObservers } from './exchange.ts';
import { LogLimit } from './log-limit.ts';

interface ObserverOptions {
  readonly metrics: Metrics;
  readonly logger: Logger;
  readonly usage: Pick<UsageLedger, 'record'>;
  /** Maps model names to a bounded set of labels. */
  readonly models: { label(model: string): string };
  /** Notes requests that have ended, for `/v1/status`. */
  readonly history: { add(exchange: Exchange, ending: Ending, model: string): void };
}

/** Reports exchanges: metrics, a log line each, and a usage row for each that ran a model for a key. */
export function createObservers({ metrics, logger, usage, models, history }: ObserverOptions): ExchangeObservers {
  const limit = new LogLimit((omitted) => {
    logger.info(omitted, `${omitted.requests} more refused requests in the last ${omitted.seconds} s`);
  });
  const labelsOf = ({ model, upstream }: Exchange): UpstreamLabels => ({
    model: model === undefined ? 'none' : models.label(model),
    upstream: upstream ?? 'none',
  });
  return {
    chunkGaps: (exchange) => metrics.chunkGap.of(labelsOf(exchange)),
    ended: (exchange, ending) => {
      const labels = labelsOf(exchange);
      observe(exchange, ending, labels, metrics);
      if (!isRefused(exchange, ending) || limit.admit(exchange, errorOf(exchange, ending))) {
        log(exchange, ending, logger);
      }
      history.add(exchange, ending, labels.model);
      if (exchange.runsModel && exchange.key !== undefined) record(exchange, ending, labels.model, usage);
    },
    stopped: () => limit.flush(),
  };
}

/** True for a request without a key, and for one that was refused: both cost their client nothing. */
function isRefused({ key }: Exchange, { outcome }: Ending): boolean {
  return key === undefined || outcome === 'client_error' || outcome === 'server_error';
}

function errorOf({ status }: Exchange, { failure }: Ending): string {
  return failure?.code ?? `status_${status}`;
}

interface UpstreamLabels {
  readonly model: string;
  readonly upstream: string;
}

function observe(exchange: Exchange, ending: Ending, labels: UpstreamLabels, metrics: Metrics): void {
  const { outcome, failure, seconds, secondsToFirstChunk } = ending;
  const { phase, route } = exchange;
  const key = exchange.key?.label ?? 'none';
  const { model } = labels;
  metrics.requests.inc({ route, key, outcome, ...labels });
  metrics.duration.observe({ route, model, outcome }, seconds);
  if (secondsToFirstChunk !== undefined && exchange.model !== undefined) {
    metrics.firstToken.observe(labels, secondsToFirstChunk);
  }
  if (outcome === 'client_closed') metrics.disconnects.inc({ phase });
  if (failure?.fromUpstream === true) metrics.upstreamErrors.inc({ upstream: labels.upstream, code: failure.code });
  if (ending.usage === undefined) return;
  const { usage, timings } = ending.usage;
  metrics.tokens.inc({ key, model, type: 'input' }, usage.inputTokens);
  metrics.tokens.inc({ key, model, type: 'output' }, usage.outputTokens);
  if (timings.load !== undefined) metrics.upstreamLoad.observe(labels, timings.load);
  if (timings.promptEval !== undefined) metrics.upstreamPromptEval.observe(labels, timings.promptEval);
  if (timings.eval === undefined) return;
  metrics.upstreamEval.observe(labels, timings.eval);
  if (usage.outputTokens > 0) metrics.timePerOutputToken.observe(labels, timings.eval / usage.outputTokens);
}

/** Routes that monitoring asks every few seconds. Their successful requests are logged at the debug level. */
const statusRoutes: ReadonlySet<string> = new Set(['/', '/metrics', '/api/version']);

function levelOf({ route }: Exchange, { outcome, failure }: Ending): 'debug' | 'info' | 'warn' | 'error' {
  if (failure?.code === 'internal_error') return 'error';
  if (outcome === 'upstream_error' || outcome === 'server_error') return 'warn';
  return outcome === 'ok' && statusRoutes.has(route) ? 'debug' : 'info';
}

function log(exchange: Exchange, ending: Ending, logger: Logger): void {
  const level = levelOf(exchange, ending);
  if (!logger.isLevelEnabled(level)) return;
  const { outcome, failure, seconds, secondsToFirstChunk, usage } = ending;
  const { queuedMs } = exchange;
  const cause = failure?.cause;
  const line = {
    request_id: exchange.id,
    method: exchange.method,
    route: exchange.route,
    status: exchange.status,
    outcome,
    client: exchange.client,
    key: exchange.key?.name,
    model: exchange.model?.slice(0, 200),
    upstream: exchange.upstream,
    queue_ms: queuedMs === 0 ? undefined : Math.round(queuedMs),
    ttft_ms: secondsToFirstChunk === undefined ? undefined : Math.round(secondsToFirstChunk * 1000),
    duration_ms: Math.round(seconds * 1000),
    input_tokens: usage?.usage.inputTokens,
    output_tokens: usage?.usage.outputTokens,
    searches: exchange.searches,
    phase: outcome === 'client_closed' ? exchange.phase : undefined,
    error: failure?.code,
    advice: failure?.advice,
    // A code such as ECONNREFUSED. Never the cause's text: an upstream's errors may quote prompts and answers.
    cause: cause instanceof Error ? (cause as NodeJS.ErrnoException).code : undefined,
  };
  logger[level](failure?.code === 'internal_error' ? { ...line, stack: stackOf(failure) } : line, 'request');
}

function record(exchange: Exchange, ending: Ending, model: string, usage: ObserverOptions['usage']): void {
  const { id, key, route, status, upstream, queuedMs } = exchange;
  usage.record({
    time: Date.now(),
    id,
    key: key?.name ?? '',
    ...(key?.group !== undefined && { group: key.group }),
    model,
    route,
    ...(upstream !== undefined && { upstream }),
    outcome: ending.outcome,
    status,
    input_tokens: ending.charged.inputTokens,
    output_tokens: ending.charged.outputTokens,
    duration_ms: ending.seconds * 1000,
    queue_ms: queuedMs,
  });
}

/** The stack of a fault of ours, without its message, which could quote a request. */
function stackOf({ cause }: GatewayError): string | undefined {
  if (!(cause instanceof Error) || cause.stack === undefined) return undefined;
  const frames = cause.stack.split('\n').filter((line) => /^\s+at /.test(line));
  return [cause.name, ...frames].join('\n');
}
