import { isDeepStrictEqual } from 'node:util';
import { readServiceManager } from '../config/env.ts';
import { type Flags, loadConfig, withNewKey } from '../config/load.ts';
import { toLoopback } from '../config/ollama-url.ts';
import { type Config, scopes } from '../config/schema.ts';
import { FileWatches } from '../config/watch/file-watches.ts';
import type { Gateway } from '../gateway.ts';
import { createLogger } from '../telemetry/logger.ts';
import { banner, keyFromEnvironment, literalKey } from './banner.ts';
import { ServiceManager } from './service-manager.ts';
import { startService } from './service.ts';
import { exitOnSignal } from './signals.ts';
import { warnings } from './warnings.ts';

/**
 * `serve`: starts the gateway and prints its address. Without a configuration file it also prints a key and snippets to
 * paste.
 *
 * @throws {ConfigError} when the configuration is invalid
 * @throws {CommandError} when the address cannot be used
 */
export async function serve(flags: Flags): Promise<void> {
  // Without a listener, the signal would end the process. One that comes before the service runs has nothing to reload.
  let onHangup: (() => void) | undefined;
  process.on('SIGHUP', () => onHangup?.());
  const loaded = await loadConfig(flags);
  const { config, file, upstreamIsImplicit } = loaded;
  for (const warning of warnings(loaded)) process.stderr.write(`llamaduct: warning: ${warning}\n`);
  const created = file === undefined && config.keys.length === 0 ? withNewKey(config, 'local', scopes) : undefined;
  const logger = createLogger(config.log_level);
  const service = await startService(created?.config ?? config, upstreamIsImplicit, logger);
  const manager = new ServiceManager(readServiceManager(), logger);
  exitOnSignal(async (reason) => {
    manager.stopping();
    await service.close(reason);
  });

  const { gateway } = service;
  if (file === undefined) onHangup = () => logger.info('SIGHUP ignored: there is no configuration file to reload');
  else onHangup = await reloadOnChange(gateway, file, { flags, started: config });
  const metrics = gateway.metricsUrl === undefined ? '' : `, metrics on ${gateway.metricsUrl}`;
  manager.ready();
  process.stdout.write(`llamaduct is ready on ${gateway.url}${metrics}\n`);
  // Somebody who tries the demo reads the terminal.
  if (!service.isDemo) void gateway.logStart(file);
  if (file !== undefined) return;
  const key = created === undefined ? keyFromEnvironment : literalKey(created.secret);
  process.stdout.write(banner(toLoopback(gateway.url), key, await firstModel(gateway)));
}

/** Reloads the configuration when its file, or a certificate that it names, changes. @returns a function that reloads it now */
async function reloadOnChange(
  gateway: Gateway,
  file: string,
  { flags, started }: { readonly flags: Flags; readonly started: Config },
): Promise<() => void> {
  const load = async (): Promise<Config> => {
    const { config, certificates } = await loadConfig(flags);
    await watches.use([file, ...certificates]);
    return config;
  };
  const reload = (): void => void gateway.reload(load);
  const watches = new FileWatches(reload);
  await watches.use([file]);
  // The file may have changed after it was read and before it was watched.
  if (!isDeepStrictEqual(await load().catch(() => undefined), started)) reload();
  return reload;
}

/** @returns a placeholder when the upstream has no models, or does not answer */
async function firstModel(gateway: Gateway): Promise<string> {
  const names = await gateway.models().catch(() => []);
  return names[0] ?? 'MODEL';
}
