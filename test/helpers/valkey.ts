import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { freePort } from './free-port.ts';

/** The server to test with: LLAMADUCT_TEST_VALKEY, or one on the PATH. */
const program = [process.env['LLAMADUCT_TEST_VALKEY'], 'valkey-server', 'redis-server'].find(runs);

/** For the `skip` option of a test: false when there is a server, otherwise the reason. */
export const noValkey = program === undefined && 'neither valkey-server nor redis-server is installed';

export interface TestValkey extends AsyncDisposable {
  readonly url: string;
  /** Ends the server at once, as if its machine had failed. */
  kill(): Promise<void>;
  /** Stops the process, so that the server accepts connections and answers nothing. */
  freeze(): void;
  thaw(): void;
}

/** Starts a Valkey or Redis that stores nothing on disk, on this port or on a free one. @param more settings of the server */
export async function startValkey(at?: number, more: Record<string, string> = {}): Promise<TestValkey> {
  if (program === undefined) throw new Error('there is no Valkey server');
  const port = at ?? (await freePort());
  const fixed = { '--port': port, '--bind': '127.0.0.1', '--save': '', '--appendonly': 'no', '--daemonize': 'no' };
  const options = { ...fixed, ...more };
  const server = spawn(program, Object.entries(options).flat().map(String), { stdio: 'ignore' });
  await accepting(port, server);
  const kill = async (): Promise<void> => {
    if (server.exitCode !== null || server.signalCode !== null) return;
    server.kill('SIGKILL');
    await once(server, 'exit');
  };
  return {
    url: `redis://127.0.0.1:${port}`,
    kill,
    freeze: () => void server.kill('SIGSTOP'),
    thaw: () => void server.kill('SIGCONT'),
    [Symbol.asyncDispose]: kill,
  };
}

function runs(name: string | undefined): name is string {
  if (name === undefined) return false;
  try {
    execFileSync(name, ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** Milliseconds for the server to start. */
const deadline = 5_000;

/** Waits until the server accepts connections. */
async function accepting(port: number, server: ChildProcess): Promise<void> {
  const until = performance.now() + deadline;
  while (performance.now() < until && server.exitCode === null) {
    const socket = connect(port, '127.0.0.1');
    const accepted = await Promise.race([
      once(socket, 'connect').then(
        () => true,
        () => false,
      ),
      once(socket, 'close').then(() => false),
    ]);
    socket.destroy();
    if (accepted) return;
    await new Promise((resolve) => {
      setTimeout(resolve, 10);
    });
  }
  server.kill('SIGKILL');
  throw new Error('Valkey did not start');
}
