import assert from 'node:assert/strict';
import { closeSync, constants, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { execFileSync, spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type TestContext, after, test } from 'node:test';
import { hashSecret } from '../../src/config/secret.ts';
import { selfSigned } from '../images/certificate.ts';
import { plainAnswer } from '../helpers/ollama-answers.ts';
import { fakeUpstream } from '../helpers/upstream.ts';
import { until } from '../helpers/wait.ts';
import { start, startLlamaduct } from './run.ts';

const folder = mkdtempSync(join(tmpdir(), 'llamaduct-process-'));
after(() => rmSync(folder, { recursive: true }));

const secret = 'a-ready-made-secret';
const ready = /^llamaduct is ready on (http:\/\/127\.0\.0\.1:\d+)\n/m;

async function statusOf(url: string, path = '/v1/models'): Promise<number> {
  const response = await fetch(url + path, { headers: { authorization: `Bearer ${secret}` } });
  await response.text();
  return response.status;
}

test('SIGHUP without a configuration file is logged and changes nothing', async () => {
  await using upstream = await fakeUpstream(plainAnswer());
  const llamaduct = startLlamaduct(['--listen', '127.0.0.1:0'], {
    LLAMADUCT_UPSTREAM: upstream.url,
    LLAMADUCT_KEY: secret,
  });
  const [, url = ''] = await llamaduct.until(ready);
  llamaduct.kill('SIGHUP');
  assert.equal(await statusOf(url), 200);
  llamaduct.kill('SIGTERM');
  const { code, stderr } = await llamaduct.ended;
  assert.equal(code, 0);
  assert.match(stderr, /SIGHUP ignored: there is no configuration file to reload/);
});

test('SIGUSR1 does not open the inspector', async () => {
  await using upstream = await fakeUpstream(plainAnswer());
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  const llamaduct = startLlamaduct(['--listen', '127.0.0.1:0', '--upstream', upstream.url], {
    LLAMADUCT_KEY: secret,
    NODE_OPTIONS: `--inspect-port=127.0.0.1:${port}`,
  });
  const [, url = ''] = await llamaduct.until(ready);
  llamaduct.kill('SIGUSR1');
  assert.equal(await statusOf(url), 200);
  await assert.rejects(fetch(`http://127.0.0.1:${port}/json/version`));
  llamaduct.kill('SIGTERM');
  const { code, stderr } = await llamaduct.ended;
  assert.equal(code, 0);
  assert.doesNotMatch(stderr, /[Dd]ebugger/);
});

test('SIGUSR2 does not end the process', async () => {
  await using upstream = await fakeUpstream(plainAnswer());
  const llamaduct = startLlamaduct(['--listen', '127.0.0.1:0', '--upstream', upstream.url], { LLAMADUCT_KEY: secret });
  const [, url = ''] = await llamaduct.until(ready);
  llamaduct.kill('SIGUSR2');
  assert.equal(await statusOf(url), 200);
  llamaduct.kill('SIGTERM');
  assert.equal((await llamaduct.ended).code, 0);
});

test('systemd is told when the service is ready, alive and stopping', async () => {
  await using upstream = await fakeUpstream(plainAnswer());
  const [bin, messages] = [join(folder, 'bin'), join(folder, 'messages')];
  mkdirSync(bin);
  writeFileSync(join(bin, 'systemd-notify'), `#!/bin/sh\necho "$@" >>"${messages}"\n`, { mode: 0o755 });
  const llamaduct = startLlamaduct(['--listen', '127.0.0.1:0', '--upstream', upstream.url], {
    PATH: `${bin}:${process.env['PATH']}`,
    NOTIFY_SOCKET: '/run/systemd/notify',
    WATCHDOG_USEC: '200000',
  });
  await llamaduct.until(ready);
  const sent = (): string[] => readFileSync(messages, { encoding: 'utf8', flag: 'a+' }).trim().split('\n');
  await until('two signs of life', () => sent().filter((message) => message === 'WATCHDOG=1').length >= 2);
  assert.ok(sent().includes('READY=1'));
  llamaduct.kill('SIGTERM');
  assert.equal((await llamaduct.ended).code, 0);
  await until('the last message', () => sent().includes('STOPPING=1'));
});

test('a missing systemd-notify is logged once, and the service goes on', async () => {
  await using upstream = await fakeUpstream(plainAnswer());
  const bin = dirname(process.execPath);
  const llamaduct = startLlamaduct(['--listen', '127.0.0.1:0', '--upstream', upstream.url], {
    PATH: bin,
    NOTIFY_SOCKET: '/run/systemd/notify',
    WATCHDOG_USEC: '100000',
    LLAMADUCT_KEY: secret,
  });
  const [, url = ''] = await llamaduct.until(ready);
  assert.equal(await statusOf(url), 200);
  llamaduct.kill('SIGTERM');
  const { code, stderr } = await llamaduct.ended;
  assert.equal(code, 0);
  assert.equal(stderr.match(/systemd cannot be notified/g)?.length, 1);
});

test('a renewed certificate of an upstream is used without a restart', async () => {
  const [file, ca] = [join(folder, 'secure.yaml'), join(folder, 'ca.pem')];
  const [first, second] = [selfSigned('127.0.0.1'), selfSigned('127.0.0.1')];
  writeFileSync(ca, first.cert);
  writeFileSync(file, 'listen: 127.0.0.1:0\naccess: open\nupstreams: [{url: "https://127.0.0.1:1", ca: ca.pem}]\n');
  const llamaduct = startLlamaduct(['--config', file]);
  await llamaduct.until(ready);
  writeFileSync(ca, second.cert);
  await llamaduct.untilLogged(/"changed":\["upstreams"\].*"msg":"configuration reloaded"/);
  llamaduct.kill('SIGTERM');
  assert.equal((await llamaduct.ended).code, 0);
});

test('LLAMADUCT_UPSTREAM and --upstream say that they replace the upstreams of the file', async () => {
  await using upstream = await fakeUpstream(plainAnswer());
  const file = join(folder, 'upstreams.yaml');
  writeFileSync(file, 'listen: 127.0.0.1:0\naccess: open\nupstreams: [{url: "http://127.0.0.1:1"}]\n');
  for (const [args, env, name] of [
    [[], { LLAMADUCT_UPSTREAM: upstream.url }, 'LLAMADUCT_UPSTREAM'],
    [['--upstream', upstream.url], {}, '--upstream'],
  ] as const) {
    const llamaduct = startLlamaduct(['--config', file, ...args], env);
    await llamaduct.until(ready);
    llamaduct.kill('SIGTERM');
    const { stderr } = await llamaduct.ended;
    assert.ok(stderr.includes(`llamaduct: warning: ${name} replaces the \`upstreams\` of ${file}\n`), stderr);
  }
});

test('`keys list | head` prints no error', async () => {
  const file = join(folder, 'many.yaml');
  const keys = Array.from(
    { length: 3000 },
    (_, index) => `  - {name: u${index}, hash: "${hashSecret(String(index))}"}\n`,
  );
  writeFileSync(file, `keys:\n${keys.join('')}`);
  const words = [process.execPath, 'src/bin.js', 'keys', 'list', '--config', file];
  const { stdout, stderr } = await start('bash', ['-c', '"$@" | head -1', 'bash', ...words]).ended;
  assert.match(stdout, /^NAME .*\n$/);
  assert.equal(stderr, '');
});

test('a command whose output cannot be written says so and exits with 1', { skip: !canWriteFull() }, async () => {
  const words = [process.execPath, 'src/bin.js', '--help'];
  const { code, stderr } = await start('bash', ['-c', 'exec "$@" >/dev/full', 'bash', ...words]).ended;
  assert.deepEqual(
    [code, stderr],
    [1, 'llamaduct: cannot write to standard output: ENOSPC: no space left on device, write\n'],
  );
});

function canWriteFull(): boolean {
  try {
    closeSync(openSync('/dev/full', constants.O_WRONLY));
    return true;
  } catch {
    return false;
  }
}

/** Starts llamaduct with standard error on `path`. */
async function startLoggingTo(
  t: TestContext,
  path: string,
): Promise<{ url: string; stop: () => Promise<number | null> }> {
  const upstream = await fakeUpstream(plainAnswer());
  const words = [process.execPath, 'src/bin.js', '--listen', '127.0.0.1:0', '--upstream', upstream.url];
  const llamaduct = start('bash', ['-c', 'exec "$@" 2>"$LOG"', 'bash', ...words], { LOG: path, LLAMADUCT_KEY: secret });
  t.after(async () => {
    llamaduct.kill('SIGKILL');
    await llamaduct.ended;
    await upstream[Symbol.asyncDispose]();
  });
  const [, url = ''] = await llamaduct.until(ready);
  return {
    url,
    stop: async () => {
      llamaduct.kill('SIGTERM');
      return (await llamaduct.ended).code;
    },
  };
}

async function lostLines(url: string): Promise<number> {
  const response = await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${secret}` } });
  return Number(/^llamaduct_log_lines_lost_total (\d+)$/m.exec(await response.text())?.[1]);
}

test(
  'a full disk under the log loses lines, which are counted, and nothing else',
  { skip: !canWriteFull() },
  async (t) => {
    const { url, stop } = await startLoggingTo(t, '/dev/full');
    assert.equal(await statusOf(url), 200);
    await until('lost lines', async () => (await lostLines(url)) > 0);
    assert.equal(await statusOf(url), 200);
    assert.equal(await stop(), 0);
  },
);

test('a pipe under the log without a reader loses lines, and a new reader gets the number of them', async (t) => {
  const pipe = join(folder, 'pipe');
  execFileSync('bash', ['-c', 'mkfifo "$1"', 'bash', pipe]);
  const reader = spawn('cat', [pipe], { stdio: 'ignore' });
  const { url, stop } = await startLoggingTo(t, pipe);
  reader.kill('SIGKILL');
  await once(reader, 'exit');
  assert.equal(await statusOf(url), 200);
  await until('lost lines', async () => (await lostLines(url)) > 0);
  const copy = join(folder, 'copy');
  const another = spawn('bash', ['-c', 'exec cat "$1" >"$2"', 'bash', pipe, copy], { stdio: 'ignore' });
  t.after(() => another.kill('SIGKILL'));
  await until('the line about lost ones', async () => {
    await statusOf(url);
    return /"lines":\d+,"msg":"log lines were lost/.test(readFileSync(copy, { encoding: 'utf8', flag: 'a+' }));
  });
  assert.equal(await stop(), 0);
});

test('a reader of the log that reads nothing does not stop the service or its end', async (t) => {
  const pipe = join(folder, 'slow');
  execFileSync('bash', ['-c', 'mkfifo "$1"', 'bash', pipe]);
  const reader = spawn('bash', ['-c', 'exec 3<"$1"; exec sleep 60', 'bash', pipe], { stdio: 'ignore' });
  t.after(() => reader.kill('SIGKILL'));
  const { url, stop } = await startLoggingTo(t, pipe);
  // More than a pipe holds.
  for (let sent = 0; sent < 20; sent += 1) {
    await Promise.all(Array.from({ length: 20 }, async () => assert.equal(await statusOf(url, '/v1/models'), 200)));
  }
  assert.equal(await stop(), 0);
});
