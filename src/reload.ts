import { isDeepStrictEqual } from 'node:util';
import { configChanges } from './service-log/config-changes.ts';
import { ConfigError } from './config/error.ts';
import type { Config } from './config/schema.ts';
import type { Exchange } from './exchange/exchange.ts';
import { metricLabels } from './metric-labels.ts';
import type { Services } from './services.ts';
import type { Logger } from './telemetry/logger.ts';
import { createAccess } from './wiring.ts';

/** The settings that only a restart applies: the addresses and files that the process has opened. */
const fixed: Readonly<Record<string, (config: Config) => unknown>> = {
  listen: ({ listen, socket_mode: mode }) => [listen, 'path' in listen ? mode : undefined],
  tls: ({ tls }) => tls !== undefined,
  'metrics.listen': ({ metrics }) => metrics.listen,
  'usage.file': ({ usage }) => usage.file,
  valkey: ({ valkey }) => valkey,
};

/** Reads a configuration. @throws {ConfigError} when it is invalid */
type Load = () => Promise<Config>;

/**
 * Creates the function that applies a new configuration to running services. All of it takes effect at once. A configuration
 * that cannot be loaded or applied is logged and changes nothing.
 *
 * @param started the configuration that the services were created with
 * @param apply applies everything but keys and rules
 * @returns a function that never rejects; calls run one after another, in order
 */
export function createReload(
  { exchanges, gatekeeper, metrics, pool, rules }: Services,
  started: Config,
  logger: Logger,
  apply: (config: Config) => void | Promise<void>,
): (load: Load) => Promise<void> {
  const recordResult = (success: boolean): void => {
    metrics.reloadSuccess.set(success ? 1 : 0);
    if (success) metrics.reloadedAt.setToCurrentTime();
  };
  recordResult(true);
  let current = started;
  const reload = async (load: Load): Promise<void> => {
    let config: Config;
    let cancelled: number;
    try {
      config = await load();
      const access = createAccess(config, { config: current, access: gatekeeper.access });
      await apply(withFixed(config, started));
      gatekeeper.use(access);
      rules.use(config);
      metrics.configure(metricLabels(config, access.ring, pool.upstreams));
      cancelled = exchanges.cancelDisallowed(recheck, config.on_revoke === 'cancel');
    } catch (error) {
      recordResult(false);
      return logger.error({ faults: describe(error) }, 'configuration not reloaded');
    }
    recordResult(true);
    const changes = configChanges(current, config);
    const needsRestart = Object.keys(fixed).filter(
      (name) => !isDeepStrictEqual(fixed[name]?.(config), fixed[name]?.(started)),
    );
    current = config;
    logger.info(
      {
        ...changes,
        cancelled_requests: cancelled > 0 ? cancelled : undefined,
        needs_restart: needsRestart.length > 0 ? needsRestart : undefined,
      },
      'configuration reloaded',
    );
  };
  const recheck = (exchange: Exchange): void => {
    const { key } = exchange;
    const { client, modelNames, runsModel } = exchange;
    if (key !== undefined) gatekeeper.recheck({ key, client, modelNames, runsModel });
  };
  let last = Promise.resolve();
  return async (load) => {
    last = last.then(async () => await reload(load));
    await last;
  };
}

/** Formats an error for the log. Only a ConfigError is known to contain no secret. */
function describe(error: unknown): string[] {
  if (error instanceof ConfigError) return error.message.split('\n');
  return ['unexpected error; it is not logged, because it could contain a secret'];
}

/** @returns the configuration with the settings that need a restart as they were at the start */
function withFixed(config: Config, started: Config): Config {
  const { listen, metrics, socket_mode, tls, usage, valkey } = started;
  const keepsTls = (config.tls === undefined) === (tls === undefined);
  return {
    ...config,
    listen,
    socket_mode,
    tls: keepsTls ? config.tls : tls,
    metrics: { ...config.metrics, listen: metrics.listen },
    usage: { ...config.usage, file: usage.file },
    valkey,
  };
}
