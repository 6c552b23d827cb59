import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { hashSecret } from '../../src/config/secret.ts';
import { until } from '../helpers/wait.ts';
import type { ResourceUsage } from './probe.ts';

const root = resolve(import.meta.dirname, '../..');

export const keys = ['ld-soak-one', 'ld-soak-two', 'ld-soak-three'];

/** A llamaduct in its own process. */
export interface Service {
  readonly url: string;
  /** @returns its standard error: its log, and warnings of Node */
  readonly log: () => string;
  resourceUsage(): Promise<ResourceUsage>;
  /** @returns the number of open sockets, listening ones included */
  sockets(): number;
  /** @returns the sum of a metric over all its labels */
  metric(name: string): Promise<number>;
  /** Sends SIGTERM. @returns its exit code */
  stop(): Promise<number | null>;
  kill(): void;
}

/**
 * Starts llamaduct.
 *
 * @param name of its files
 * @param upstreams as in a configuration file
 * @param settings instead of the usual ones
 */
export async function startService(
  name: string,
  upstreams: readonly { readonly url: string }[],
  folder: string,
  settings: object = {},
): Promise<Service> {
  const file = join(folder, `${name}.yaml`);
  writeFileSync(file, JSON.stringify({ ...configured(upstreams, join(folder, `${name}.db`)), ...settings }));
  const args = ['--expose-gc', '--import', resolve(import.meta.dirname, 'probe.ts'), 'src/bin.js', '--config', file];
  const child = spawn(process.execPath, args, {
    cwd: root,
    // Fewer arenas: memory that malloc keeps for each thread would look like a leak.
    env: { PATH: process.env['PATH'], MALLOC_ARENA_MAX: '2' },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  let [out, err] = ['', ''];
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (err += text));
  const urls = (): string[] =>
    (out + err)
      .match(/http:\/\/127\.0\.0\.1:\d+(\/metrics)?/g)
      ?.filter((url) => !upstreams.some((upstream) => upstream.url.startsWith(url))) ?? [];
  const hasExited = (): boolean => child.exitCode !== null;
  await until('llamaduct to listen', () => hasExited() || urls().some((url) => !url.endsWith('/metrics')), 20_000);
  const url = urls().find((candidate) => !candidate.endsWith('/metrics'));
  if (hasExited() || url === undefined) throw new Error(`llamaduct did not start: ${out}${err}`);
  return {
    url,
    log: () => err,
    resourceUsage: async () => await resourceUsageOf(child),
    sockets: () => socketsOf(child.pid ?? 0),
    metric: async (name) => sumOf(await (await fetch(`${url}/metrics`, { headers: metricsHeaders })).text(), name),
    async stop() {
      const closed = once(child, 'close');
      child.kill('SIGTERM');
      await closed;
      return child.exitCode;
    },
    kill: () => void child.kill('SIGKILL'),
  };
}

// Without keep-alive, so that its own connection does not count.
const metricsHeaders = { authorization: 'Bearer ld-soak-metrics', connection: 'close' };

/** @returns a configuration with timeouts so short that every fault occurs and ends many times */
function configured(upstreams: readonly object[], usage: string): object {
  return {
    listen: '127.0.0.1:0',
    upstreams,
    keys: [
      { name: 'metrics', hash: hashSecret('ld-soak-metrics'), scopes: ['metrics'] },
      ...keys.map((secret, index) => ({ name: `key${index}`, hash: hashSecret(secret) })),
    ],
    queue: { waiting: 30, waiting_per_key: 20 },
    timeouts: { first_byte: '2s', idle: '2s', queue: '5s', body: '2s', silence: '500ms', grace: '5s' },
    limits: { line: '256KiB', body: '1MiB', in_flight: 100 },
    // Small stores: data that is kept on purpose must not hide leaks.
    responses: { entries: 100, bytes: '1MiB' },
    usage: { file: usage },
    log_level: 'info',
  };
}

async function resourceUsageOf(child: ChildProcess): Promise<ResourceUsage> {
  const message = once(child, 'message');
  child.send('report');
  const [usage] = (await message) as [ResourceUsage];
  return usage;
}

function socketsOf(pid: number): number {
  const folder = `/proc/${pid}/fd`;
  return readdirSync(folder).filter((name) => {
    try {
      return readlinkSync(join(folder, name)).startsWith('socket:');
    } catch {
      // It was closed meanwhile.
      return false;
    }
  }).length;
}

function sumOf(text: string, name: string): number {
  return text
    .split('\n')
    .filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
}
