import { setTimeout as sleep } from 'node:timers/promises';
import { refuseMalformed } from './app.ts';
import type { Config } from './config/schema.ts';
import { ConnectionLog } from './service-log/connections.ts';
import { CertificateWatch, readCertificate } from './http/certificate.ts';
import type { ConnectionLimits } from './http/connections.ts';
import { type ListenOptions, type Listener, listen } from './http/listener.ts';
import { metricsOnly } from './http/ops.ts';
import { createPageCheck } from './http/page-check.ts';
import { networkFilter } from './networks.ts';
import { LiveApp } from './live-app.ts';
import { createReload } from './reload.ts';
import { logStart } from './service-log/start.ts';
import type { State } from './store/index.ts';
import { StopLog } from './service-log/stop.ts';
import { type Logger, lostLines } from './telemetry/logger.ts';
import { Metrics } from './telemetry/metrics.ts';
import { version } from './version.ts';
import type { Wiring } from './upstream-wiring.ts';
import { openStores } from './wiring.ts';

/** Open connections that the metrics listener accepts. */
const maxScrapers = 100;

/** A running gateway. */
export interface Gateway {
  /**
   * The bound address, with the actual port, for example `http://127.0.0.1:11435`, or `unix:/PATH`. The host may be a
   * wildcard.
   */
  readonly url: string;
  /** URL of /metrics on its own listener, or `unix:/PATH`; undefined when there is no such listener. */
  readonly metricsUrl: string | undefined;
  /**
   * @returns the names of the models of all upstreams
   * @throws {GatewayError} when no upstream answers
   */
  models(): Promise<string[]>;
  /** Applies a new configuration. One that is invalid is logged, and the current one stays in effect. Never rejects. */
  reload(load: () => Promise<Config>): Promise<void>;
  /** Logs what was started. Never rejects. @param file path of the configuration file */
  logStart(file: string | undefined): Promise<void>;
  /**
   * Shuts down. First /readyz fails while requests are still served, for `timeouts.drain`. Then no connection is accepted,
   * queued requests get an error, and running responses may finish within `timeouts.grace`; after that they are ended with
   * an error in the client's format.
   *
   * @param reason for the log, such as SIGTERM
   */
  close(reason?: string): Promise<void>;
}

/**
 * Starts the gateway: opens the store, listens, and starts the health checks.
 *
 * @param portable true to serve only through the Fetch API, as other runtimes do, without Node's own request and response
 * @throws {ConfigError} when the usage database cannot be opened, or the certificate cannot be used
 * @throws {Error} of `listen`, for example with the code EADDRINUSE
 */
export async function startGateway(config: Config, logger: Logger, portable = false): Promise<Gateway> {
  const certificate = config.tls && (await readCertificate(config.tls));
  const metrics = new Metrics(version);
  metrics.lostLogLines = () => lostLines(logger);
  const state = await openStores(config, metrics, logger);
  const wiring = { config, metrics, logger };
  const app = new LiveApp(wiring, state);
  const { pool } = app.services;
  // The metrics listener starts first: if its address is in use, no request has been served yet.
  const metricsListener = await listenForScrapers(wiring);
  const fetch: typeof app.fetch = portable ? (request) => app.fetch(request) : app.fetch;
  const refusals = new ConnectionLog(logger, metrics);
  const main = await listen(fetch, config.listen, refuseMalformed, {
    ...listenOptions(config),
    ...connectionLimits(config),
    certificate,
    onDropped: refusals.dropped,
    onMalformed: refusals.malformed,
  }).catch(async (error: unknown) => {
    await Promise.all([metricsListener?.close(0), app.closeClients()]);
    state.close();
    throw error;
  });
  const certificateWatch = new CertificateWatch(main.useCertificate, logger);
  await certificateWatch.use(config.tls);
  const reload = createReload(app.services, config, logger, async (next) => {
    await certificateWatch.use(next.tls);
    main.use({ ...listenOptions(next), ...connectionLimits(next), onDropped: refusals.dropped });
    app.use(next);
  });
  app.startHealthChecks();
  const metricsUrl = metricsListener?.url.replace(/^http.*/, '$&/metrics');
  return {
    url: main.url,
    metricsUrl,
    logStart: async (file) =>
      await logStart(logger, { config, file, upstreams: pool.upstreams, address: main.url, metricsUrl }),
    reload: async (load) => {
      await Promise.all([reload(load), certificateWatch.reload()]);
    },
    models: async () => (await pool.models.list()).map(({ name }) => name),
    close: async (reason) =>
      await stop({ wiring, app, state, main, metricsListener, certificateWatch, refusals }, reason),
  };
}

/** The parts that end with the service. */
interface Running {
  readonly wiring: Wiring;
  readonly app: LiveApp;
  readonly state: State;
  readonly main: Listener;
  readonly metricsListener: Listener | undefined;
  readonly certificateWatch: CertificateWatch;
  readonly refusals: ConnectionLog;
}

async function stop(running: Running, reason: string | undefined): Promise<void> {
  const { wiring, app, state, main, metricsListener, certificateWatch, refusals } = running;
  const { drain, grace } = wiring.config.timeouts;
  const { exchanges, limiter } = app.services;
  const log = new StopLog(wiring.logger, exchanges, reason);
  exchanges.drain();
  main.drain();
  if (drain > 0) await log.draining(drain, sleep(drain));
  log.stopping(grace);
  app.stopHealthChecks();
  certificateWatch.stop();
  const closed = main.close(grace);
  const ended = await exchanges.stop(grace);
  await Promise.all([
    closed,
    metricsListener?.close(0),
    app.closeClients(),
    app.services.images?.close(),
    app.services.documents?.close(),
  ]);
  limiter.close();
  state.close();
  refusals.flush();
  log.stopped(ended);
}

function listenOptions({
  timeouts,
  keep_alive_timeout: keepAliveTimeout,
  socket_mode: socketMode,
}: Config): ListenOptions {
  return { sendTimeout: timeouts.idle, timeouts: { keepAliveTimeout }, socketMode };
}

function connectionLimits({ limits, trusted_proxies: proxies }: Config): ConnectionLimits {
  return {
    connections: limits.connections,
    connectionsPerAddress: limits.connections_per_address,
    isExempt: networkFilter(proxies.filter((network) => network !== 'unix')),
  };
}

/** @returns the listener of /metrics; undefined without `metrics.listen` */
async function listenForScrapers(wiring: Wiring): Promise<Listener | undefined> {
  const { config, metrics } = wiring;
  const { listen: address } = config.metrics;
  if (address === undefined) return undefined;
  const serve = metricsOnly(metrics, (header) => createPageCheck({ ...wiring.config, listen: address })(header));
  return await listen(serve, address, refuseMalformed, { ...listenOptions(config), connections: maxScrapers });
}
