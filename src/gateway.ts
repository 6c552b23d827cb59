import { createApp, refuseMalformed } from './app.ts';
import type { Keeper } from './chat/protocol.ts';
import type { Config } from './config/schema.ts';
import { ImageFetcher } from './images/fetch.ts';
import { allowing } from './images/guard.ts';
import { Gatekeeper } from './policy/auth.ts';
import { KeyRing } from './policy/keys.ts';
import { Shaper } from './policy/shaping.ts';
import { type ClientProtocols, clientProtocols } from './protocols/index.ts';
import { Exchanges } from './server/exchanges.ts';
import { DroppedLedger } from './server/ledger.ts';
import { listen } from './server/listener.ts';
import { metricsOnly } from './server/ops.ts';
import type { Services } from './server/services.ts';
import { MemoryKeeper } from './state/memory.ts';
import { ValkeyKeeper, connectValkey } from './state/valkey.ts';
import type { Logger } from './telemetry/logger.ts';
import { Metrics } from './telemetry/metrics.ts';
import { ModelCatalog } from './upstreams/catalog.ts';
import { UpstreamClient } from './upstreams/client.ts';
import { backends } from './upstreams/index.ts';
import { version } from './version.ts';

/** A running llamaduct. */
export interface Gateway {
  /** As it is bound, for example `http://127.0.0.1:11435`. */
  readonly url: string;
  /** Of the metrics' own listener, where there is one. */
  readonly metricsUrl: string | undefined;
  /** Names of the upstream's models. @throws {GatewayError} when it does not answer */
  models(): Promise<string[]>;
  /** Stops accepting, lets answers finish for the grace time, then ends them with an error their clients can see. */
  close(): Promise<void>;
}

/** Starts serving. @throws {Error} of `listen`, for example EADDRINUSE */
export async function startGateway(config: Config, logger: Logger): Promise<Gateway> {
  const state = await createState(config);
  const protocols = clientProtocols(config, state.keeper);
  const services = createServices(config, protocols, logger);
  const { exchanges, metrics, upstream } = services;
  const app = createApp(protocols, services);
  // The small one first: where it fails, nothing has been served yet.
  const scraped = config.metrics.listen && (await listen(metricsOnly(metrics), config.metrics.listen, refuseMalformed));
  const main = await listen(app.fetch, config.listen, refuseMalformed).catch(async (error: unknown) => {
    await Promise.all([scraped?.close(0), upstream.client.close()]);
    state.close();
    throw error;
  });
  void upstream.catalog.list().catch(() => undefined);
  return {
    url: main.url,
    metricsUrl: scraped && `${scraped.url}/metrics`,
    models: async () => (await upstream.catalog.list()).map(({ name }) => name),
    async close() {
      const { grace } = config.timeouts;
      const closed = main.close(grace);
      await exchanges.stop(grace);
      await Promise.all([closed, scraped?.close(0), upstream.client.close(), services.images?.close()]);
      state.close();
    },
  };
}

/** Of one image. */
const maxRedirects = 3;

/** What outlives a request: in memory, or in Valkey where several llamaducts share it. */
async function createState({ responses, valkey }: Config): Promise<{ keeper: Keeper; close(): void }> {
  if (valkey === undefined) return { keeper: new MemoryKeeper(responses), close: () => undefined };
  const connection = await connectValkey(valkey);
  return { keeper: new ValkeyKeeper(connection, responses.ttl), close: () => connection.disconnect() };
}

function createServices(config: Config, protocols: ClientProtocols, logger: Logger): Services {
  const metrics = new Metrics(version);
  const { kind, name } = config.upstream;
  const backend = backends[kind];
  const client = new UpstreamClient(config.upstream, config.timeouts, (reached) => {
    metrics.upstreamUp.set({ upstream: name }, reached ? 1 : 0);
  });
  const catalog = new ModelCatalog(client, backend);
  const ring = new KeyRing(config.keys, config.metrics.token);
  const gatekeeper = new Gatekeeper(ring, config.access === 'open', (reason) => metrics.authFailures.inc({ reason }));
  const exchanges = new Exchanges({ metrics, logger, modelLabel: (model) => catalog.label(model) });
  const shaper = new Shaper(config);
  const images = config.images.fetch
    ? new ImageFetcher({ ...config.images, redirects: maxRedirects }, allowing(config.images.allow))
    : undefined;
  const ledger = new DroppedLedger(
    metrics,
    protocols.generation.flatMap(({ droppable = [] }) => droppable),
  );
  const upstream = { name, kind, client, backend, catalog };
  return { config, shaper, images, gatekeeper, exchanges, metrics, ledger, upstream };
}
