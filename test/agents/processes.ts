import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';

/** In the environment of every process that is started here, so that those which an agent leaves behind can be ended by pid. */
const mark = `LLAMADUCT_AGENTS_RUN=${randomUUID()}`;

export interface Output {
  /** Exit code, or the signal that ended it. */
  readonly code: number | string;
  readonly stdout: string;
  readonly stderr: string;
}

/** Pids of running processes that carry the mark. Empty on systems without /proc. */
function marked(): number[] {
  if (!existsSync('/proc')) return [];
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.map(Number).filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0').includes(mark);
    } catch {
      return false; // It has ended, or belongs to another user.
    }
  });
}

/** Kills everything that was started here and still runs. */
export function endAll(): void {
  for (const pid of marked()) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It has just ended.
    }
  }
}

export interface Start {
  readonly file: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Milliseconds after which it is killed. */
  readonly deadline: number;
  /** Called with its pid. */
  readonly onStart?: (pid: number) => void;
}

/** Runs a command with this environment and nothing else, and without input. */
export function run({ file, args, cwd, env, deadline, onStart }: Start): Promise<Output> {
  const [name = '', value = ''] = mark.split('=');
  return new Promise((resolve, reject) => {
    const options = { cwd, env: { ...env, [name]: value }, timeout: deadline, killSignal: 'SIGKILL' } as const;
    const child = spawn(file, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
    if (child.pid !== undefined) onStart?.(child.pid);
    const output = { stdout: '', stderr: '' };
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output.stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (output.stderr += text));
    child.on('error', reject);
    // 'exit', not 'close': a daemon that the agent has left behind keeps the pipes open.
    child.on('exit', (code, signal) => setTimeout(() => resolve({ code: code ?? signal ?? 'unknown', ...output }), 50));
  });
}

/** A port of loopback that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
