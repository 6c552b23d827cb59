import type { GatewayError } from '../errors.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { UsageLedger } from '../usage/ledger.ts';
import type { Ending, Exchange, ExchangeObservers } from './exchange.ts';

interface ObserverOptions {
  readonly metrics: Metrics;
  readonly logger: Logger;
  readonly usage: Pick<UsageLedger, 'record'>;
  /** The bounded name of a model. */
  readonly modelLabel: (model: string) => string;
}

/** What is told of exchanges: metrics, a log line each, and for those that a model runs for a row of usage. */
export function createObservers({ metrics, logger, usage, modelLabel }: ObserverOptions): ExchangeObservers {
  return {
    modelLabel,
    gaps: (exchange) => metrics.chunkGap.of(upstreamLabels(exchange)),
    ended: (exchange, ending) => {
      observe(exchange, ending, metrics);
      log(exchange, ending, logger);
      if (exchange.runsModel && exchange.key !== undefined) record(exchange, ending, usage);
    },
  };
}

function upstreamLabels({ modelLabel, upstream }: Exchange): { model: string; upstream: string } {
  return { model: modelLabel, upstream: upstream ?? 'none' };
}

function observe(exchange: Exchange, ending: Ending, metrics: Metrics): void {
  const { outcome, failure, seconds } = ending;
  const { phase, route, secondsToFirstChunk } = exchange;
  const key = exchange.key?.label ?? 'none';
  const labels = upstreamLabels(exchange);
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

function log(exchange: Exchange, { outcome, failure, seconds, usage }: Ending, logger: Logger): void {
  const { secondsToFirstChunk: firstChunk, queuedMs } = exchange;
  const line = {
    request_id: exchange.id,
    method: exchange.method,
    route: exchange.route,
    status: exchange.status,
    outcome,
    key: exchange.key?.name,
    model: exchange.model?.slice(0, 200),
    upstream: exchange.upstream,
    queue_ms: queuedMs === 0 ? undefined : Math.round(queuedMs),
    ttft_ms: firstChunk === undefined ? undefined : Math.round(firstChunk * 1000),
    duration_ms: Math.round(seconds * 1000),
    input_tokens: usage?.usage.inputTokens,
    output_tokens: usage?.usage.outputTokens,
    phase: outcome === 'client_closed' ? exchange.phase : undefined,
    error: failure?.code,
    // A code such as ECONNREFUSED. Never the cause's text: an upstream's errors may quote prompts and answers.
    cause: causeCode(failure),
  };
  if (failure?.code === 'internal_error') logger.error({ ...line, stack: stackOf(failure.cause) }, 'request');
  else logger.info(line, 'request');
}

function record(exchange: Exchange, { outcome, seconds, charged }: Ending, usage: ObserverOptions['usage']): void {
  const { id, key, modelLabel: model, route, status, upstream, queuedMs } = exchange;
  usage.record({
    time: Date.now(),
    id,
    key: key?.name ?? '',
    ...(key?.group !== undefined && { group: key.group }),
    model,
    route,
    ...(upstream !== undefined && { upstream }),
    outcome,
    status,
    input_tokens: charged.inputTokens,
    output_tokens: charged.outputTokens,
    duration_ms: seconds * 1000,
    queue_ms: queuedMs,
  });
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
