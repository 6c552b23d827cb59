import { isDeepStrictEqual } from 'node:util';
import { ConfigError } from './config/error.ts';
import type { Config } from './config/schema.ts';
import type { Services } from './services.ts';
import type { Logger } from './telemetry/logger.ts';
import { createAccess } from './wiring.ts';

/** Settings that a reload applies. All others need a restart. */
const reloadable: readonly (keyof Config)[] = ['access', 'aliases', 'default_model', 'groups', 'jwt', 'keys', 'models'];

/** Reads a configuration. @throws {ConfigError} when it is invalid */
type Load = () => Promise<Config>;

/**
 * Creates the function that applies a new configuration to running services. All of it takes effect at once. A configuration
 * that cannot be loaded or applied is logged and changes nothing.
 *
 * @param started the configuration that the services were created with
 * @returns a function that never rejects; calls run one after another, in order
 */
export function createReload(services: Services, started: Config, logger: Logger): (load: Load) => Promise<void> {
  const { gatekeeper, metrics, rules } = services;
  const recordResult = (success: boolean): void => {
    metrics.reloadSuccess.set(success ? 1 : 0);
    if (success) metrics.reloadedAt.setToCurrentTime();
  };
  recordResult(true);
  let current = started;
  const reload = async (load: Load): Promise<void> => {
    try {
      const config = await load();
      gatekeeper.use(createAccess(config, { config: current, access: gatekeeper.access }));
      rules.use(config);
      current = config;
    } catch (error) {
      recordResult(false);
      return logger.error({ faults: describe(error) }, 'configuration not reloaded');
    }
    recordResult(true);
    const pending = settingsNeedingRestart(current, started);
    logger.info({ needs_restart: pending.length > 0 ? pending : undefined }, 'configuration reloaded');
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

/** @returns the names of changed settings that the running services do not use yet */
function settingsNeedingRestart(config: Config, started: Config): string[] {
  // A setting that only one of the two has counts as changed.
  const settings = new Set([...Object.keys(config), ...Object.keys(started)]);
  return [...settings].filter((setting) => {
    const name = setting as keyof Config;
    if (reloadable.includes(name)) return false;
    // Of `metrics`, only `listen` needs a restart: the token is applied with the keys.
    if (name === 'metrics') return !isDeepStrictEqual(config.metrics.listen, started.metrics.listen);
    return !isDeepStrictEqual(config[name], started[name]);
  });
}
