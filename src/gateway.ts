import { createApp, refuseMalformed } from './app.ts';
import type { Config } from './config/schema.ts';
import { clientProtocols } from './protocols/index.ts';
import { listen } from './server/listener.ts';
import { metricsOnly } from './server/ops.ts';
import { reloading } from './reload.ts';
import { openState } from './state/index.ts';
import type { Logger } from './telemetry/logger.ts';
import { Metrics } from './telemetry/metrics.ts';
import { version } from './version.ts';
import { createServices } from './wiring.ts';

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
  /** Stops accepting, lets answers finish for the grace time, then ends them with an error their clients can see. */
  close(): Promise<void>;
}

/** Starts serving. @throws {Error} of `listen`, for example EADDRINUSE */
export async function startGateway(config: Config, logger: Logger): Promise<Gateway> {
  const metrics = new Metrics(version);
  const state = await openState(config, (error) => {
    metrics.usageFailures.inc();
    logger.error({ cause: (error as NodeJS.ErrnoException).code }, 'usage could not be written');
  });
  const protocols = clientProtocols(config, state.keeper);
  const services = createServices(config, protocols, state, metrics, logger);
  const { exchanges, limiter, upstream } = services;
  const app = createApp(protocols, services);
  // The small one first: where it fails, nothing has been served yet.
  const { idle } = config.timeouts;
  const scraped =
    config.metrics.listen && (await listen(metricsOnly(metrics), config.metrics.listen, refuseMalformed, idle));
  const main = await listen(app.fetch, config.listen, refuseMalformed, idle).catch(async (error: unknown) => {
    await Promise.all([scraped?.close(0), upstream.client.close()]);
    state.close();
    throw error;
  });
  if (upstream.queue === undefined) {
    logger.info(
      { upstream: upstream.name },
      'no queue: the upstream has no `parallel`, so it gets requests as they come',
    );
  }
  void upstream.catalog.list().catch(() => undefined);
  return {
    url: main.url,
    metricsUrl: scraped && `${scraped.url}/metrics`,
    reload: reloading(services, config, logger),
    models: async () => (await upstream.catalog.list()).map(({ name }) => name),
    async close() {
      const { grace } = config.timeouts;
      const closed = main.close(grace);
      await exchanges.stop(grace);
      await Promise.all([closed, scraped?.close(0), upstream.client.close(), services.images?.close()]);
      limiter.close();
      state.close();
    },
  };
}
