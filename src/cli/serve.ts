import { isDeepStrictEqual } from 'node:util';
import { startedByNpm } from '../config/env.ts';
import { type Flags, loadConfig, withNewKey } from '../config/load.ts';
import { toLoopback } from '../config/ollama-url.ts';
import { type Config, scopes } from '../config/schema.ts';
import { watchFile } from '../config/watch.ts';
import type { Gateway } from '../gateway.ts';
import { createLogger } from '../telemetry/logger.ts';
import { banner, keyFromEnvironment, literalKey } from './banner.ts';
import { type Service, startService } from './service.ts';

/**
 * `serve`: starts and prints where; without a configuration file also what to paste into a client.
 * @throws ConfigError, CommandError
 */
export async function serve(flags: Flags): Promise<void> {
  const { config, file, upstreamIsGuess } = await loadConfig(flags);
  warnIfOpen(config);
  const made = file === undefined && config.keys.length === 0 ? withNewKey(config, 'local', scopes) : undefined;
  const service = await startService(made?.config ?? config, upstreamIsGuess, createLogger(config.log_level));
  closeOnSignal(service);

  const { gateway } = service;
  if (file !== undefined) await reloadOnChange(file, flags, gateway, config);
  const metrics = gateway.metricsUrl === undefined ? '' : `, its metrics on ${gateway.metricsUrl}`;
  process.stdout.write(`llamaduct is ready on ${gateway.url}${metrics}\n`);
  if (file !== undefined) return;
  const key = made === undefined ? keyFromEnvironment : literalKey(made.secret);
  process.stdout.write(banner(toLoopback(gateway.url), key, await firstModel(gateway)));
}

/** Reads the configuration again when its file changes, and at SIGHUP. */
async function reloadOnChange(file: string, flags: Flags, gateway: Gateway, started: Config): Promise<void> {
  const load = async (): Promise<Config> => (await loadConfig(flags)).config;
  const reload = (): void => void gateway.reload(load);
  process.on('SIGHUP', reload);
  await watchFile(file, reload);
  // It may have changed while llamaduct started.
  if (!isDeepStrictEqual(await load().catch(() => undefined), started)) reload();
}

function warnIfOpen({ access, listen }: Config): void {
  if (access !== 'open' || listen.host === 'localhost' || listen.host === '::1' || listen.host.startsWith('127.'))
    return;
  process.stderr.write(`llamaduct: access is open: anyone who reaches ${listen.host}:${listen.port} may use Ollama\n`);
}

/** A stand-in where the upstream has none yet, or does not answer. */
async function firstModel(gateway: Gateway): Promise<string> {
  const names = await gateway.models().catch(() => []);
  return names[0] ?? 'MODEL';
}

/** Milliseconds in which a repeated SIGINT is the same Ctrl-C: the terminal sends it to all, and npm passes its own on. */
const sameKeystroke = 500;

/** Milliseconds between looks whether npm is still there. */
const parentCheckEvery = 250;

/** Lets running answers finish at the first signal; a second one ends at once. */
function closeOnSignal(service: Service): void {
  let closingSince: number | undefined;
  const close = (): void => {
    if (closingSince !== undefined) return;
    closingSince = performance.now();
    void service.close().then(() => process.exit(0));
  };
  const onSignal = (signal: NodeJS.Signals): void => {
    if (closingSince === undefined) return close();
    if (signal === 'SIGTERM' || performance.now() - closingSince > sameKeystroke) process.exit(1);
  };
  process.on('SIGTERM', onSignal).on('SIGINT', onSignal);

  if (!startedByNpm()) return;
  // npm passes a SIGTERM on to its shell, which dies of it alone and leaves us behind.
  const { ppid } = process;
  const watch = setInterval(() => {
    if (process.ppid === ppid) return;
    clearInterval(watch);
    close();
  }, parentCheckEvery);
  watch.unref();
}
