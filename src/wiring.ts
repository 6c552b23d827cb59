import { isDeepStrictEqual } from 'node:util';
import { TokenCounter } from './handlers/steps/token-counter.ts';
import type { Config } from './config/schema.ts';
import { PdfExtractor } from './documents/pdf-extractor.ts';
import { Admission } from './http/admission.ts';
import { ImageFetcher } from './images/fetch.ts';
import { createAddressFilter } from './images/guard.ts';
import { type Access, Gatekeeper } from './policy/auth.ts';
import { KeyRing } from './policy/keys.ts';
import { metricLabels } from './metric-labels.ts';
import { Limiter } from './limits/limiter.ts';
import { settingName } from './limits/window.ts';
import { ModelRules } from './policy/model-rules.ts';
import type { JwtOptions } from './policy/tokens.ts';
import type { ClientProtocols } from './protocols/index.ts';
import { ExchangeRegistry } from './exchange/registry.ts';
import { UpstreamPool } from './pool/pool.ts';
import { Searcher, searchEndings } from './search/searcher.ts';
import { DroppedFieldReporter } from './handlers/steps/dropped-fields.ts';
import { createObservers } from './exchange/observers.ts';
import type { Services } from './services.ts';
import { type Wiring, createUpstream, poolOptions } from './upstream-wiring.ts';
import { type State, openState } from './store/index.ts';
import { statusSource } from './status/source.ts';
import { StatusHistory } from './status/history.ts';
import { StoreStatus } from './store/status.ts';
import type { Logger } from './telemetry/logger.ts';
import type { Metrics } from './telemetry/metrics.ts';

/** Maximum number of redirects for one image. */
const maxRedirects = 3;

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
  const rules = new ModelRules(config);
  const pool = new UpstreamPool(upstreams, poolOptions(wiring, rules));
  const history = new StatusHistory();
  const exchanges = new ExchangeRegistry(createObservers({ metrics, logger, usage, models: pool.models, history }));
  metrics.running = exchanges;
  const access = createAccess(config);
  metrics.configure(metricLabels(config, access.ring, upstreams));
  const services = {
    config,
    pool,
    metrics,
    usage,
    rules,
    images: createImageFetcher(config),
    documents: createPdfExtractor(config),
    search: createSearcher(config, metrics),
    admission: new Admission(config.limits, ({ label: key }) => metrics.rateLimited.inc({ key, limit: 'in_flight' })),
    gatekeeper: new Gatekeeper(access, (reason) => metrics.authFailures.inc({ reason })),
    exchanges,
    limiter: createLimiter(options),
    tokenCounter: new TokenCounter(),
    history,
    droppedFields: new DroppedFieldReporter(metrics, [
      'keep_alive',
      ...protocols.generation.flatMap(({ droppable = [] }) => droppable),
    ]),
  };
  metrics.status.source = statusSource(services);
  return services;
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

/** @returns undefined if models cannot search the web */
export function createSearcher(
  { web_search: options }: Pick<Config, 'web_search'>,
  metrics: Metrics,
): Searcher | undefined {
  if (options === undefined) return undefined;
  for (const outcome of searchEndings) metrics.answers.webSearches.inc({ outcome }, 0);
  return new Searcher(options, (outcome) => metrics.answers.webSearches.inc({ outcome }));
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
 * Creates the keys, the groups and the verifier of tokens.
 *
 * @param before the configuration and access until now; its token verifier, and with it the keys that were fetched from the identity
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
