import { setTimeout as sleep } from 'node:timers/promises';
import { createApp, refuseMalformed } from './app.ts';
import type { Config } from './config/schema.ts';
import { clientProtocols } from './protocols/index.ts';
import { listen } from './http/listener.ts';
import { metricsOnly } from './http/ops.ts';
import { startHealthChecks } from './pool/health-checks.ts';
import { createReload } from './reload.ts';
import { openState } from './store/index.ts';
import type { Logger } from './telemetry/logger.ts';
import { Metrics } from './telemetry/metrics.ts';
import { version } from './version.ts';
import { createServices } from './wiring.ts';

/** Connections to the listener of the metrics. */
const maxScrapers = 100;

/** A running llamaduct. */
export interface Gateway {
  /** As it is bound, for example `http://127.0.0.1:11435`. */
  readonly url: string;
  /** Of the metrics' own listener, where there is one. */
  readonly metricsUrl: string | undefined;
  /** Names of the upstream's models. @throws {GatewayError} when it does not answer */
  models(): Promise<string[]>;
  /** Decides by another configuration from now on; by the one before where that has faults, which are logged. */
  reload(load: () => Promise<Config>): Promise<void>;
  /**
   * Says that it is not ready any more, and goes on serving for the drain time. Then stops accepting, refuses what waits
   * for its turn, lets answers finish for the grace time, and ends them with an error their clients can see.
   */
  close(): Promise<void>;
}

/**
 * Starts serving.
 *
 * @param portable whether nothing of Node is used where fetch's own types will do, as on other runtimes
 * @throws {Error} of `listen`, for example EADDRINUSE
 */
export async function startGateway(config: Config, logger: Logger, portable = false): Promise<Gateway> {
  const metrics = new Metrics(version);
  const state = await openState(config, (error) => {
    metrics.usageFailures.inc();
    logger.error({ cause: (error as NodeJS.ErrnoException).code }, 'usage could not be written');
  });
  const protocols = clientProtocols(config, state.keeper);
  const services = createServices(config, protocols, state, metrics, logger);
  const { exchanges, pool, limiter } = services;
  const app = createApp(protocols, services);
  // The small one first: where it fails, nothing has been served yet.
  const { idle: sendTimeout } = config.timeouts;
  const scraped =
    config.metrics.listen &&
    (await listen(metricsOnly(metrics), config.metrics.listen, refuseMalformed, {
      sendTimeout,
      connections: maxScrapers,
    }));
  const fetch: typeof app.fetch = portable ? (request) => app.fetch(request) : app.fetch;
  const main = await listen(fetch, config.listen, refuseMalformed, {
    sendTimeout,
    connections: config.limits.connections,
    onDropped: () => metrics.connectionsDropped.inc(),
  }).catch(async (error: unknown) => {
    await Promise.all([scraped?.close(0), ...pool.upstreams.map(async ({ client }) => await client.close())]);
    state.close();
    throw error;
  });
  for (const { name: upstream, queue } of pool.upstreams) {
    if (queue === undefined) {
      logger.info({ upstream }, 'no queue: the upstream has no `parallel`, so it gets requests as they come');
    }
  }
  const stopProbing = startHealthChecks(pool.upstreams, config.health.interval);
  return {
    url: main.url,
    metricsUrl: scraped && `${scraped.url}/metrics`,
    reload: createReload(services, config, logger),
    models: async () => (await pool.models.list()).map(({ name }) => name),
    async close() {
      const { drain, grace } = config.timeouts;
      exchanges.drain();
      main.drain();
      if (drain > 0) await sleep(drain);
      stopProbing();
      const closed = main.close(grace);
      await exchanges.stop(grace);
      await Promise.all([
        closed,
        scraped?.close(0),
        ...pool.upstreams.map(async ({ client }) => await client.close()),
        services.images?.close(),
      ]);
      limiter.close();
      state.close();
    },
  };
}
