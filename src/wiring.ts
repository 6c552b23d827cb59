import { isDeepStrictEqual } from 'node:util';
import type { Config, UpstreamConfig } from './config/schema.ts';
import { PdfExtractor } from './documents/pdf-extractor.ts';
import { Admission } from './http/admission.ts';
import { ImageFetcher } from './images/fetch.ts';
import { createAddressFilter } from './images/guard.ts';
import { type Access, Gatekeeper } from './policy/auth.ts';
import { KeyRing } from './policy/keys.ts';
import { SlowQueueLog } from './queue-log.ts';
import { metricLabels } from './metric-labels.ts';
import { Limiter } from './limits/limiter.ts';
import { settingName } from './limits/window.ts';
import { ModelRules } from './policy/model-rules.ts';
import type { JwtOptions } from './policy/tokens.ts';
import type { ClientProtocols } from './protocols/index.ts';
import { ExchangeRegistry } from './exchange/registry.ts';
import { UpstreamPool } from './pool/pool.ts';
import { DroppedFieldReporter } from './handlers/steps/dropped-fields.ts';
import { UpstreamQueue } from './pool/upstream-queue.ts';
import { createObservers } from './exchange/observers.ts';
import type { FairQueueOptions } from './scheduling/fair-queue.ts';
import type { Services } from './services.ts';
import type { Upstream } from './pool/upstream.ts';
import { type State, openState } from './store/index.ts';
import { StoreStatus } from './store/status.ts';
import type { Logger } from './telemetry/logger.ts';
import type { Metrics } from './telemetry/metrics.ts';
import { ModelCatalog } from './pool/model-catalog.ts';
import { OutputRate } from './pool/output-rate.ts';
import { UpstreamClient } from './upstreams/http/client.ts';
import { Health } from './pool/health.ts';
import { backends } from './upstreams/index.ts';

/** Maximum number of redirects for one image. */
const maxRedirects = 3;

/** What upstreams are created with. A reload replaces the configuration. */
export interface Wiring {
  config: Config;
  readonly metrics: Metrics;
  readonly logger: Logger;
}

interface ServicesOptions {
  readonly wiring: Wiring;
  readonly protocols: ClientProtocols;
  readonly state: State;
}

/** Creates the parts that handlers work with. */
export function createServices(options: ServicesOptions): Services {
  const { wiring, protocols, state } = options;
  const { config, metrics, logger } = wiring;
  const { usage } = state;
  const [first, ...others] = config.upstreams;
  const upstreams = [createUpstream(first, wiring), ...others.map((one) => createUpstream(one, wiring))] as const;
  const pool = new UpstreamPool(upstreams, poolOptions(wiring));
  const exchanges = new ExchangeRegistry(createObservers({ metrics, logger, usage, models: pool.models }));
  metrics.running = exchanges;
  const access = createAccess(config);
  metrics.configure(metricLabels(config, access.ring, upstreams));
  return {
    config,
    pool,
    metrics,
    usage,
    rules: new ModelRules(config),
    images: createImageFetcher(config),
    documents: createPdfExtractor(config),
    admission: new Admission(config.limits, ({ label: key }) => metrics.rateLimited.inc({ key, limit: 'in_flight' })),
    gatekeeper: new Gatekeeper(access, (reason) => metrics.authFailures.inc({ reason })),
    exchanges,
    limiter: createLimiter(options),
    droppedFields: new DroppedFieldReporter(metrics, [
      'keep_alive',
      ...protocols.generation.flatMap(({ droppable = [] }) => droppable),
    ]),
  };
}

export function poolOptions({ config, metrics }: Wiring): ConstructorParameters<typeof UpstreamPool>[1] {
  return { ...config.retries, onRetry: (upstream, code) => metrics.retries.inc({ upstream, code }) };
}

/** @returns undefined if PDFs are not read */
export function createPdfExtractor({ documents }: Pick<Config, 'documents'>): PdfExtractor | undefined {
  return documents.extract ? new PdfExtractor(documents) : undefined;
}

/** @returns undefined if images are not fetched from URLs */
export function createImageFetcher({ images }: Pick<Config, 'images'>): ImageFetcher | undefined {
  if (!images.fetch) return undefined;
  return new ImageFetcher({ ...images, redirects: maxRedirects }, createAddressFilter(images.allow));
}

function createLimiter({ wiring: { config, metrics }, state }: ServicesOptions): Limiter {
  const { usage, valkey, status } = state;
  return new Limiter({
    ...(valkey !== undefined && { valkey }),
    whenDown: config.valkey?.when_down ?? 'open',
    spent: (subject, since) => usage.spent(subject, since),
    onRefused: ({ label: key }, limit) => metrics.rateLimited.inc({ key, limit: settingName(limit) }),
    onCounted: (failure) => (failure === undefined ? status.succeeded() : status.failed(failure)),
    onUnchecked: (letIn) => metrics.unlimited.inc({ outcome: letIn ? 'let_in' : 'refused' }),
  });
}

/** Opens the configured stores, whose failures the log and the metrics report. @throws {ConfigError} see `openState` */
export async function openStores(config: Config, metrics: Metrics, logger: Logger): Promise<State> {
  return await openState(config, createStoreStatus(config, metrics, logger), (error) => {
    metrics.usageFailures.inc();
    logger.error({ cause: (error as NodeJS.ErrnoException).code }, 'usage could not be written');
  });
}

function createStoreStatus({ valkey }: Config, metrics: Metrics, logger: Logger): StoreStatus {
  const whenDown = valkey?.when_down ?? 'open';
  const meanwhile =
    whenDown === 'open' ? 'requests are served without checking limits' : 'requests of keys with limits are refused';
  return new StoreStatus({
    onChange: (up) => metrics.limitsUp.set(up ? 1 : 0),
    onOutage: ({ cause, reason }) =>
      logger.error({ cause, when_down: whenDown }, `limits store unavailable: ${reason}; ${meanwhile}`),
    onRecovery: (downMs) => logger.info({ down_ms: Math.round(downMs) }, 'limits store available again'),
  });
}

/**
 * Creates what decides who may come in.
 *
 * @param before the configuration and access until now; its token verifier, and so the keys it has fetched from the identity
 *   provider, are kept if the relevant settings are unchanged
 */
export function createAccess(config: Config, before?: { readonly config: Config; readonly access: Access }): Access {
  const { access, groups, jwt, keys, metrics } = config;
  const unchanged =
    before !== undefined && isDeepStrictEqual(verifierSettings(before.config), verifierSettings(config));
  return {
    ring: new KeyRing(keys, metrics.token, groups, jwt?.default_group),
    open: access === 'open',
    tokens: unchanged ? before.access.tokens : jwt && createVerifier({ ...config, jwt }),
  };
}

/** Loads the token verifier only where it is configured, because it takes memory. */
function createVerifier({ jwt, groups, limits }: Config & { readonly jwt: JwtOptions }): Access['tokens'] {
  const loading = import('./policy/tokens.ts').then(({ TokenVerifier }) => {
    return new TokenVerifier(jwt, (name) => Object.hasOwn(groups, name), limits.in_flight);
  });
  return { verify: async (token) => await (await loading).verify(token) };
}

function verifierSettings({ jwt, groups }: Config): unknown {
  return [jwt, Object.keys(groups).toSorted()];
}

export function createUpstream(upstream: UpstreamConfig, wiring: Wiring): Upstream {
  const { config, metrics } = wiring;
  const { kind, name, weight = 1 } = upstream;
  const backend = backends[kind];
  const { failures, interval } = config.health;
  const health = new Health({
    failures,
    interval,
    onChange: (up) => {
      metrics.ejected.set({ upstream: name }, up ? 0 : 1);
      // Requests that wait for the only server may still be served when it is back.
      if (!up && wiring.config.upstreams.length > 1) queue?.refuseWaiting();
    },
  });
  const client = new UpstreamClient(upstream, config.timeouts, (reached) => {
    metrics.upstreamUp.set({ upstream: name }, reached ? 1 : 0);
  });
  const catalog = new ModelCatalog(client, backend, health);
  const queue = createQueue(upstream, catalog, wiring);
  return { name, kind, client, backend, catalog, health, weight, queue, outputRate: new OutputRate(), outstanding: 0 };
}

/** @returns the queue in front of a server; undefined without `parallel`, since no request has to wait then */
function createQueue(upstream: UpstreamConfig, catalog: ModelCatalog, wiring: Wiring): UpstreamQueue | undefined {
  const { kind, name, parallel } = upstream;
  if (parallel === undefined) return undefined;
  const { config, metrics, logger } = wiring;
  const log = new SlowQueueLog(logger, name, () => wiring.config.queue.slow);
  const queue = new UpstreamQueue(queueOptions({ ...upstream, parallel }, config.queue), {
    ...(backends[kind].loaded !== undefined && { loaded: async () => await catalog.loaded() }),
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
