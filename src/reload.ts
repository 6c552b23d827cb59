import { isDeepStrictEqual } from 'node:util';
import { ConfigError } from './config/error.ts';
import type { Config } from './config/schema.ts';
import type { Services } from './services.ts';
import type { Logger } from './telemetry/logger.ts';
import { createAccess } from './wiring.ts';

/** What is decided by anew; the rest of a configuration takes a restart. */
const live: readonly (keyof Config)[] = ['access', 'aliases', 'default_model', 'groups', 'jwt', 'keys', 'models'];

/** Reads a configuration. @throws {ConfigError} */
type Load = () => Promise<Config>;

/**
 * Makes services decide by another configuration, all at once; one with faults changes nothing, and is logged.
 *
 * @param started what the services were made with
 * @returns a function that never rejects; called while it runs, it runs once more after that
 */
export function createReload(services: Services, started: Config, logger: Logger): (load: Load) => Promise<void> {
  const { gatekeeper, metrics, rules } = services;
  const succeeded = (success: boolean): void => {
    metrics.reloadSuccess.set(success ? 1 : 0);
    if (success) metrics.reloadedAt.setToCurrentTime();
  };
  succeeded(true);
  let current = started;
  const reload = async (load: Load): Promise<void> => {
    try {
      const config = await load();
      gatekeeper.use(createAccess(config, { config: current, access: gatekeeper.access }));
      rules.use(config);
      current = config;
    } catch (error) {
      succeeded(false);
      const faults = error instanceof ConfigError ? error.message.split('\n') : ['it cannot be read'];
      return logger.error({ faults }, 'configuration not reloaded');
    }
    succeeded(true);
    const unchanged = needingRestart(current, started);
    logger.info({ needs_restart: unchanged.length > 0 ? unchanged : undefined }, 'configuration reloaded');
  };
  let last = Promise.resolve();
  return async (load) => {
    last = last.then(async () => await reload(load));
    await last;
  };
}

function needingRestart(config: Config, started: Config): string[] {
  // What is left out now has changed as well.
  const settings = new Set([...Object.keys(config), ...Object.keys(started)]);
  return [...settings].filter((setting) => {
    const name = setting as keyof Config;
    if (live.includes(name)) return false;
    if (name === 'metrics') return !isDeepStrictEqual(config.metrics.listen, started.metrics.listen);
    return !isDeepStrictEqual(config[name], started[name]);
  });
}
