import type { Config, Upstreams } from '../config/schema.ts';
import { type Demo, startDemo } from '../demo/server.ts';
import { type Gateway, startGateway } from '../gateway.ts';
import type { Logger } from '../telemetry/logger.ts';
import { CommandError } from './error.ts';

/** Milliseconds for an upstream to answer before the demo stands in for it. */
const answerTimeout = 1000;

/** A running gateway, and the demo model behind it if there is one. */
export interface Service {
  readonly gateway: Gateway;
  /** True if the demo model is used. */
  readonly isDemo: boolean;
  /** @param reason for the log */
  close(reason?: string): Promise<void>;
}

/**
 * Starts the gateway.
 *
 * @param allowDemo true to use the built-in demo model when the first upstream does not answer; standard error then says so
 * @throws {CommandError} when an address cannot be used
 */
export async function startService(config: Config, allowDemo: boolean, logger: Logger): Promise<Service> {
  const [{ url }] = config.upstreams;
  let demo: Demo | undefined;
  if (allowDemo && !(await answers(url))) {
    demo = await startDemo();
    process.stderr.write(`llamaduct: no Ollama at ${new URL(url).origin}; using the built-in demo model\n`);
  }
  const upstreams: Upstreams =
    demo === undefined ? config.upstreams : [{ name: 'demo', kind: 'ollama', url: demo.url }];
  try {
    const gateway = await startGateway({ ...config, upstreams }, logger);
    if (demo === undefined) logUnqueued(upstreams, logger);
    return {
      gateway,
      isDemo: demo !== undefined,
      async close(reason) {
        await gateway.close(reason);
        await demo?.close();
      },
    };
  } catch (error) {
    await demo?.close();
    throw listenError(error) ?? error;
  }
}

function logUnqueued(upstreams: Upstreams, logger: Logger): void {
  for (const { name: upstream, parallel } of upstreams) {
    if (parallel === undefined) {
      logger.info({ upstream }, 'no queue: `parallel` is not set, so requests are sent to the upstream as they arrive');
    }
  }
}

/** True when any HTTP server answers at `url` in time, even with an error status. */
async function answers(url: string): Promise<boolean> {
  const version = new URL(`${url}/api/version`);
  // fetch() rejects a URL that contains credentials.
  version.username = version.password = '';
  try {
    const response = await fetch(version, { signal: AbortSignal.timeout(answerTimeout) });
    await response.body?.cancel();
    return true;
  } catch {
    return false;
  }
}

/** @returns undefined for an error that is not about an address to listen on */
function listenError(error: unknown): CommandError | undefined {
  const { syscall, code, address, port, message } = error as NodeJS.ErrnoException & {
    address?: string;
    port?: number;
  };
  if (syscall !== 'listen' && syscall !== 'getaddrinfo') return undefined;
  // Node reports -1 as the port of a Unix socket, and EACCES for a missing folder.
  const isSocket = address?.startsWith('/') === true;
  const place = address === undefined ? '' : ` on ${isSocket ? address : `${address}:${port}`}`;
  const reasons: Record<string, string> = {
    EADDRINUSE: 'the address is in use',
    EACCES: `permission denied (${isSocket ? 'or the folder does not exist' : 'ports below 1024 need extra privileges'})`,
    EADDRNOTAVAIL: 'this machine does not have the address',
    ENOTSOCK: 'the file exists and is not a socket',
  };
  return new CommandError(`cannot listen${place}: ${reasons[code ?? ''] ?? message}`);
}
