import type { Config, UpstreamConfig } from './config/schema.ts';
import { ejectionReporter } from './service-log/ejections.ts';
import type { ModelRules } from './policy/model-rules.ts';
import { upstreamDown } from './pool/all-down.ts';
import { Health } from './pool/health.ts';
import { LoadTimes } from './pool/models/load-times.ts';
import { ModelCatalog } from './pool/models/model-catalog.ts';
import { ModelHealth } from './pool/models/model-health.ts';
import { OutputRate } from './pool/output-rate.ts';
import { ToolSupport } from './pool/models/tool-support.ts';
import type { UpstreamPool } from './pool/pool.ts';
import { UpstreamQueue } from './pool/upstream-queue.ts';
import type { Upstream } from './pool/upstream.ts';
import { createProbe } from './probe.ts';
import { SlowQueueLog } from './service-log/slow-queue.ts';
import type { FairQueueOptions } from './scheduling/fair-queue.ts';
import type { Logger } from './telemetry/logger.ts';
import type { Metrics } from './telemetry/metrics.ts';
import { UpstreamClient } from './upstreams/http/client.ts';
import { backends } from './upstreams/index.ts';

/** The dependencies of upstreams. A reload replaces the configuration. */
export interface Wiring {
  config: Config;
  readonly metrics: Metrics;
  readonly logger: Logger;
}

/** @param rules those of the running services */
export function poolOptions(wiring: Wiring, rules: ModelRules): ConstructorParameters<typeof UpstreamPool>[1] {
  const { config, metrics } = wiring;
  const { trials, interval } = config.health;
  return {
    ...config.retries,
    onRetry: (upstream, code) => metrics.retries.inc({ upstream, code }),
    ...(trials === 'probe' && interval > 0 && { probe: createProbe(rules, config) }),
  };
}

export function createUpstream(upstream: UpstreamConfig, wiring: Wiring): Upstream {
  const { config, metrics, logger } = wiring;
  const { kind, name, weight = 1 } = upstream;
  const backend = backends[kind];
  const { failures, interval } = config.health;
  const ejections = ejectionReporter(name, metrics, logger);
  const health = new Health({
    failures,
    interval,
    onChange: (up, change) => {
      if (isReplaced()) return;
      ejections.onServer(up, change);
      // Requests that wait for the only server may still be served when it is back.
      if (!up && wiring.config.upstreams.length > 1) queue?.refuseWaiting(upstreamDown());
    },
  });
  const client = new UpstreamClient(upstream, config.timeouts, (reached) => {
    if (!isReplaced()) metrics.upstreamUp.set({ upstream: name }, reached ? 1 : 0);
  });
  const catalog = new ModelCatalog(client, backend, health);
  const label = (model: string): string => catalog.label(model);
  const loadTimes = new LoadTimes(
    (model) => catalog.canonical(model),
    (model) => metrics.status.modelLoads.inc({ upstream: name, model: label(model) }),
  );
  const queue = createQueue(upstream, { catalog, loadTimes }, wiring);
  // Another server may have its name by now.
  const isReplaced = (): boolean => created.isRetired === true;
  const created: Upstream = {
    name,
    kind,
    client,
    backend,
    catalog,
    health,
    modelHealth: new ModelHealth({
      failures,
      label,
      onChange: (change) => {
        if (!isReplaced()) ejections.onModel(change);
      },
    }),
    loadTimes,
    weight,
    queue,
    outputRate: new OutputRate(),
    toolSupport: new ToolSupport((model) => catalog.find(model)),
    // Ollama has no other models than those it lists, unless it turns out that it does.
    unlisted: { known: kind === 'ollama' ? 'refuses' : undefined, asking: undefined },
    outstanding: 0,
  };
  return created;
}

/** @returns the queue in front of a server; undefined without `parallel`, since no request has to wait then */
function createQueue(
  upstream: UpstreamConfig,
  { catalog, loadTimes }: Pick<Upstream, 'catalog' | 'loadTimes'>,
  wiring: Wiring,
): UpstreamQueue | undefined {
  const { kind, name, parallel } = upstream;
  if (parallel === undefined) return undefined;
  const { config, metrics, logger } = wiring;
  const log = new SlowQueueLog(logger, name, () => wiring.config.queue.slow);
  const queue = new UpstreamQueue(queueOptions({ ...upstream, parallel }, config.queue), {
    label: (model) => catalog.label(model),
    ...(backends[kind].loaded !== undefined && {
      loaded: async () => {
        const loaded = await catalog.loaded();
        loadTimes.inMemory(loaded);
        return loaded;
      },
    }),
    onWaiting: (waiting) => log.observe(waiting),
    waited: (seconds) => metrics.queueWait.observe({ upstream: name }, seconds),
  });
  metrics.queues.set(name, queue);
  return queue;
}

export function queueOptions(
  { parallel, models_in_memory: slots }: UpstreamConfig & { readonly parallel: number },
  limits: Config['queue'],
): FairQueueOptions {
  return {
    parallel,
    ...(slots !== undefined && { slots }),
    maxExtraWait: limits.extra_wait,
    batchShare: limits.batch_share,
    maxWaiting: limits.waiting,
    maxWaitingPerKey: limits.waiting_per_key,
    ...tuning,
  };
}

/** The finest scheduling quantum. The times, in milliseconds, are assumptions until some requests have been measured. */
const tuning = { quantum: 1, maxEarly: 1000, serviceTime: 10_000, loadTime: 10_000 };
