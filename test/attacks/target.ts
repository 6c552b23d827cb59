import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { hashSecret } from '../../src/config/secret.ts';
import { root } from '../cli/run.ts';
import { until } from '../helpers/wait.ts';
import { send } from './client.ts';

export const MB = 1024 * 1024;

/** Secrets of the keys that attacks configure, by name. */
export const secrets = {
  limited: 'ld-attack-limited',
  victim: 'ld-attack-victim',
  other: 'ld-attack-other',
  admin: 'ld-attack-admin',
} as const;

/** An entry of `keys`. */
export function key(name: keyof typeof secrets, settings: object = {}): object {
  return { name, hash: hashSecret(secrets[name]), ...settings };
}

/** Standard error of a process: its end as text, and its size in bytes. */
interface Output {
  readonly log: () => string;
  readonly logged: () => number;
}

/** Ends a process and removes its folder. The runner ends a file of tests with SIGTERM when time is up. */
const running = new Set<() => void>();
process.once('SIGTERM', () => {
  for (const end of running) end();
  process.exit(1);
});

/** A llamaduct in its own process, started as `npm start` does. */
export class Target implements AsyncDisposable {
  readonly port: number;
  readonly #child: ChildProcess;
  readonly #folder: string;
  readonly #output: Output;

  private constructor(child: ChildProcess, folder: string, port: number, output: Output) {
    this.#child = child;
    this.#folder = folder;
    this.port = port;
    this.#output = output;
  }

  /** Starts llamaduct with a configuration, on a free port of loopback. */
  static async start(config: object): Promise<Target> {
    const folder = mkdtempSync(join(tmpdir(), 'llamaduct-attack-'));
    const file = join(folder, 'llamaduct.yaml');
    // JSON is YAML.
    writeFileSync(file, JSON.stringify({ listen: '127.0.0.1:0', ...config }));
    const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: { start: string } };
    const child = spawn(process.execPath, [...scripts.start.split(' ').slice(1), '--config', file], {
      cwd: root,
      env: { PATH: process.env['PATH'], HOME: folder },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const end = (): void => {
      child.kill('SIGKILL');
      rmSync(folder, { recursive: true, force: true });
    };
    running.add(end);
    child.once('exit', () => running.delete(end));
    let out = '';
    let log = '';
    let logged = 0;
    child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      logged += Buffer.byteLength(text);
      log = (log + text).slice(-100_000);
    });
    const port = (): string | undefined => /ready on http:\/\/127\.0\.0\.1:(\d+)/.exec(out)?.[1];
    await until('llamaduct to start', () => port() !== undefined || child.exitCode !== null, 20_000);
    if (child.exitCode !== null) throw new Error(`llamaduct did not start: ${out}${log}`);
    return new Target(child, folder, Number(port()), { log: () => log, logged: () => logged });
  }

  get hasExited(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** Resident memory in MB; 0 after its end, and where there is no /proc. */
  get rss(): number {
    try {
      const status = readFileSync(`/proc/${this.#child.pid}/status`, 'utf8');
      return Math.round(Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0) / 1024);
    } catch {
      return 0;
    }
  }

  /** The end of its standard error. */
  get log(): string {
    return this.#output.log();
  }

  /** Bytes of standard error so far. */
  get logged(): number {
    return this.#output.logged();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.hasExited) {
      const exited = once(this.#child, 'exit');
      this.#child.kill('SIGKILL');
      await exited;
    }
    rmSync(this.#folder, { recursive: true });
  }
}

/** Measures what others notice: the longest wait for /healthz and for a small request of the victim, and memory. */
export class Watch {
  readonly #target: Target;
  readonly #timer: NodeJS.Timeout;
  #top: number;
  #longest = 0;
  #failed = 0;
  #pending: number[] = [];
  #stopped = false;

  constructor(target: Target) {
    this.#target = target;
    this.#top = target.rss;
    this.#timer = setInterval(() => (this.#top = Math.max(this.#top, target.rss)), 25);
    void this.#ask({ path: '/healthz' });
    void this.#ask({ path: '/v1/models', as: secrets.victim });
  }

  async #ask(request: { path: string; as?: string }): Promise<void> {
    while (!this.#stopped) {
      const began = performance.now();
      this.#pending.push(began);
      const { status, ms } = await send(this.#target.port, { ...request, patience: 30_000 });
      this.#pending = this.#pending.filter((one) => one !== began);
      if (this.#stopped) return;
      this.#longest = Math.max(this.#longest, ms);
      if (status !== 200) this.#failed += 1;
      await sleep(25);
    }
  }

  /** The longest wait so far in seconds, that of requests still without a response included. */
  get wait(): number {
    const oldest = Math.min(...this.#pending, performance.now());
    return Math.max(this.#longest, performance.now() - oldest) / 1000;
  }

  /** The most resident memory so far, in MB. */
  get rss(): number {
    this.#top = Math.max(this.#top, this.#target.rss);
    return this.#top;
  }

  /** Requests that did not get a 200. */
  get failed(): number {
    return this.#failed;
  }

  stop(): void {
    this.#stopped = true;
    clearInterval(this.#timer);
  }
}
