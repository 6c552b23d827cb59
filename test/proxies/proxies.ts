import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from '../cli/run.ts';
import { until } from '../helpers/wait.ts';

/** A reverse proxy that runs in front of a gateway. */
export interface Proxy extends AsyncDisposable {
  /** The path of the Unix socket that it listens on. */
  readonly socket: string;
  /** A line for each server: its name, its state, and its last check. Absent for a proxy without health checks. */
  readonly states?: () => Promise<string>;
}

interface ProxyKind {
  readonly name: string;
  /** For the `skip` option of a test: false when the proxy is installed, otherwise the reason. */
  readonly skip: string | false;
  /** @param settings of the kind's own, besides those that it cannot start without */
  readonly start: (gateway: string, settings?: ProxySettings) => Promise<Proxy>;
}

interface ProxySettings {
  /** Starts with the example in `deploy`; other settings have no effect. */
  readonly isExample?: boolean;
  /** For nginx: it compresses whatever it can. */
  readonly compresses?: boolean;
  /** Seconds after which a silent answer is cut off. */
  readonly timeout?: number;
  /** The request of HAProxy's health check, which adds ` HTTP/1.0` and no headers. */
  readonly check?: string;
}

/** Debian installs both into a folder that is not on the PATH of every user. */
const env = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/usr/local/sbin` };

function missing(program: string): string | false {
  const { error } = spawnSync(program, ['-v'], { env, stdio: 'ignore' });
  return error !== undefined && `${program} is not installed`;
}

/** @returns an example of `deploy` that listens on a Unix socket, in front of this gateway only */
function example(file: string, directory: string, gateway: string): string {
  return (
    readFileSync(join(root, 'deploy', file), 'utf8')
      // A client on a Unix socket has no address, so nginx takes it from X-Real-IP.
      .replace('listen 80;', `listen unix:${directory}/socket; set_real_ip_from unix:;`)
      .replace('bind :80', `bind unix@${directory}/socket`)
      .replace('http://127.0.0.1:11435', gateway)
      .replace('127.0.0.1:11435 check', `${new URL(gateway).host} check inter 200ms`)
      .replace(/^ *server two .*$/m, '')
  );
}

export const nginx: ProxyKind = {
  name: 'nginx',
  skip: missing('nginx'),
  start: async (gateway, { isExample = false, compresses = false, timeout = 60 } = {}) =>
    await started('nginx', (directory) => {
      const folders = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
        (name) => `${name}_temp_path ${directory}/${name};`,
      );
      const gzip = compresses ? 'gzip on; gzip_types *; gzip_proxied any; gzip_min_length 1;' : '';
      const plain = `server {
        listen unix:${directory}/socket;
        location / { proxy_pass ${gateway}; proxy_read_timeout ${timeout}s; }
      }`;
      const config = `
        daemon off; pid ${directory}/pid; worker_processes 1; error_log stderr warn;
        events {}
        http {
          access_log off; ${folders.join(' ')} ${gzip}
          ${isExample ? example('nginx.conf', directory, gateway) : plain}
        }`;
      return { config, args: (file) => ['-e', 'stderr', '-c', file] };
    }),
};

export const haproxy: ProxyKind = {
  name: 'HAProxy',
  skip: missing('haproxy'),
  start: async (gateway, { isExample = false, timeout = 60, check } = {}) =>
    await started('haproxy', (directory) => {
      const plain = `
defaults
  mode http
  # Otherwise a client that leaves is noticed only when more of the answer comes.
  option abortonclose
  timeout connect 5s
  timeout client ${timeout}s
  timeout server ${timeout}s
frontend clients
  bind unix@${directory}/socket
  default_backend llamaduct
backend llamaduct
  ${check === undefined ? '' : `option httpchk ${check}`}
  server one ${new URL(gateway).host} ${check === undefined ? '' : 'check inter 200ms fall 2 rise 1'}
`;
      const global = `global\n  stats socket ${directory}/stats\n`;
      const config = `${global}${isExample ? example('haproxy.cfg', directory, gateway) : plain}`;
      return { config, args: (file) => ['-db', '-f', file], stats: `${directory}/stats` };
    }),
};

interface Setup {
  readonly config: string;
  readonly args: (file: string) => readonly string[];
  readonly stats?: string;
}

async function started(program: string, setUp: (directory: string) => Setup): Promise<Proxy> {
  const directory = mkdtempSync(join(tmpdir(), 'llamaduct-proxy-'));
  // The workers of nginx have a user of their own if it is started by root.
  chmodSync(directory, 0o755);
  const socket = join(directory, 'socket');
  const { args, config, stats } = setUp(directory);
  const file = join(directory, 'config');
  writeFileSync(file, config);
  const child = spawn(program, args(file), { env, stdio: ['ignore', 'ignore', 'pipe'] });
  let output = '';
  child.stderr.on('data', (data: Buffer) => (output += data.toString()));
  const stop = async (): Promise<void> => {
    await end(child);
    rmSync(directory, { recursive: true, force: true });
  };
  try {
    await until(`${program} to listen`, async () => child.exitCode === null && (await accepts(socket)));
  } catch {
    await stop();
    throw new Error(`${program} does not start: ${output}`);
  }
  return {
    socket,
    ...(stats !== undefined && { states: async () => await ask(stats, 'show stat') }),
    [Symbol.asyncDispose]: stop,
  };
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  // At once: both would wait for connections to end.
  child.kill('SIGTERM');
  await exit;
}

async function accepts(path: string): Promise<boolean> {
  const socket = connect(path);
  const accepted = await once(socket, 'connect').then(
    () => true,
    () => false,
  );
  socket.destroy();
  return accepted;
}

/** Sends a command to the socket of HAProxy. @returns a line for each server: its name, its state, and its last check */
async function ask(path: string, command: string): Promise<string> {
  const socket = connect(path);
  socket.end(`${command}\n`);
  let text = '';
  for await (const data of socket) text += String(data);
  return text
    .split('\n')
    .map((line) => line.split(','))
    .map(([, name = '', ...fields]) => `${name} ${fields[15] ?? ''} ${fields[34] ?? ''}`)
    .join('\n');
}
