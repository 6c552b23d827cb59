import type { Config, Upstreams } from '../config/schema.ts';
import { type Demo, startDemo } from '../demo/server.ts';
import { type Gateway, startGateway } from '../gateway.ts';
import type { Logger } from '../telemetry/logger.ts';
import { CommandError } from './error.ts';

/** The gateway, and the demo behind it where there is one. */
export interface Service {
  readonly gateway: Gateway;
  close(): Promise<void>;
}

/**
 * Starts the gateway.
 * @param upstreamIsGuess lets a demo stand in where the upstream does not answer; standard error then says so
 * @throws CommandError where an address cannot be listened on
 */
export async function startService(config: Config, upstreamIsGuess: boolean, logger: Logger): Promise<Service> {
  const [{ url }] = config.upstreams;
  let demo: Demo | undefined;
  if (upstreamIsGuess && !(await answers(url))) {
    demo = await startDemo();
    process.stderr.write(`llamaduct: no Ollama answers at ${new URL(url).origin}, so a built-in demo model does\n`);
  }
  const { upstreams } = config;
  const served: Upstreams = demo === undefined ? upstreams : [{ name: 'demo', kind: 'ollama', url: demo.url }];
  try {
    const gateway = await startGateway({ ...config, upstreams: served }, logger);
    return {
      gateway,
      async close() {
        await gateway.close();
        await demo?.close();
      },
    };
  } catch (error) {
    await demo?.close();
    throw listenError(error) ?? error;
  }
}

/** Whether anything speaks HTTP at `url` within a second; a refusal is an answer too. */
async function answers(url: string): Promise<boolean> {
  const version = new URL(`${url}/api/version`);
  // fetch() refuses a URL that holds a password.
  version.username = version.password = '';
  try {
    const response = await fetch(version, { signal: AbortSignal.timeout(1000) });
    await response.body?.cancel();
    return true;
  } catch {
    return false;
  }
}

function listenError(error: unknown): CommandError | undefined {
  const { syscall, code, address, port, message } = error as NodeJS.ErrnoException & {
    address?: string;
    port?: number;
  };
  if (syscall !== 'listen' && syscall !== 'getaddrinfo') return undefined;
  const place = address === undefined ? '' : ` on ${address}:${port}`;
  const reasons: Record<string, string> = {
    EADDRINUSE: 'the address is in use',
    EACCES: 'ports below 1024 need a privilege',
    EADDRNOTAVAIL: 'this machine has no such address',
  };
  return new CommandError(`cannot listen${place}: ${reasons[code ?? ''] ?? message}`);
}
