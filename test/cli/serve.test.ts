import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { warnings } from '../../src/cli/warnings.ts';
import { type UpstreamConfig, configSchema } from '../../src/config/schema.ts';
import { startDemo } from '../../src/demo/server.ts';
import { hashSecret } from '../../src/config/secret.ts';
import { silent } from '../helpers/answers.ts';
import { chatLine, doneLine, ndjson } from '../helpers/ollama-answers.ts';
import { fakeUpstream } from '../helpers/upstream.ts';
import { until } from '../helpers/wait.ts';
import { type Running, run, start, startLlamaduct } from './run.ts';

const folder = mkdtempSync(join(tmpdir(), 'llamaduct-serve-'));
after(() => rmSync(folder, { recursive: true }));

const secret = 'a-ready-made-secret';
const ready = /^llamaduct is ready on (http:\/\/127\.0\.0\.1:\d+)\n/m;
const anyPort = ['--listen', '127.0.0.1:0'];

function fileOf(name: string, text: string): string {
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
}

/** The key and snippets of the banner, each from its heading to the next empty line. */
async function bannerOf(llamaduct: Running): Promise<{ key: string; curl: string; openai: string; ai: string }> {
  const { input } = await llamaduct.until(/of textStream\) .*\n$/);
  const after = (heading: string): string =>
    new RegExp(`^${heading}.*\\n((?:.+\\n)+)`, 'm').exec(input)?.[1] ?? `no ${heading}`;
  return {
    key: after('API key').trim(),
    curl: after('# curl'),
    openai: after('// OpenAI SDK'),
    ai: after('// AI SDK'),
  };
}

async function stop(llamaduct: Running): Promise<void> {
  llamaduct.kill('SIGTERM');
  assert.equal((await llamaduct.ended).code, 0);
}

async function chat(url: string, key: string): Promise<Response> {
  const body = JSON.stringify({ model: 'demo', messages: [{ role: 'user', content: 'hello' }], stream: true });
  return await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    body,
    headers: { authorization: `Bearer ${key}` },
  });
}

/** Runs the snippets unchanged and asserts that each prints the demo's response. */
async function tryOut(
  t: TestContext,
  snippets: { curl: string; openai: string; ai: string },
  env: Readonly<Record<string, string>>,
): Promise<void> {
  const [curl, ...sdks] = await Promise.all([
    start('sh', ['-c', snippets.curl], env).ended,
    start(process.execPath, ['--input-type=module', '--eval', snippets.openai], env).ended,
    start(process.execPath, ['--input-type=module', '--eval', snippets.ai], env).ended,
  ]);
  if (curl.code === 127) t.diagnostic('curl is not installed: its snippet was not run');
  else assert.match(curl.stdout, /^data: \{.*"model":"demo:latest".*\n\n[^]*data: \[DONE\]\n\n$/, curl.stderr);
  for (const { stdout, stderr } of sdks)
    assert.ok(stdout.startsWith("You wrote: “hello” I am llamaduct's demo model"), stderr);
}

test('serve without a file and without Ollama starts the demo and prints a key and working snippets', async (t) => {
  const llamaduct = startLlamaduct(anyPort);
  const [, url = ''] = await llamaduct.until(ready);
  const { key, ...snippets } = await bannerOf(llamaduct);
  assert.match(key, /^ld-[\w-]{43}$/);
  await tryOut(t, snippets, {});
  assert.equal((await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${key}` } })).status, 200);
  llamaduct.kill('SIGINT');
  const { code, stderr } = await llamaduct.ended;
  assert.equal(code, 0);
  assert.equal(stderr.split('\n', 1)[0], 'llamaduct: no Ollama at http://127.0.0.1:1; using the built-in demo model');
  assert.doesNotMatch(stderr, /no queue/);
});

test('serve never prints a key from the environment, and the snippets read it from there', async (t) => {
  const env = { LLAMADUCT_KEY: secret };
  const llamaduct = startLlamaduct(anyPort, env);
  const { key, ...snippets } = await bannerOf(llamaduct);
  assert.equal(key, '$LLAMADUCT_KEY');
  await tryOut(t, snippets, env);
  llamaduct.kill('SIGTERM');
  const { stdout, stderr } = await llamaduct.ended;
  assert.ok(!(stdout + stderr).includes(secret));
});

test('serve uses the Ollama at OLLAMA_HOST, even with a password, and the snippets name its model', async () => {
  const ollama = await startDemo();
  const llamaduct = startLlamaduct(anyPort, { OLLAMA_HOST: ollama.url.replace('//', '//me:password@') });
  const { curl } = await bannerOf(llamaduct);
  assert.match(curl, /"model":"demo:latest"/);
  llamaduct.kill('SIGTERM');
  assert.doesNotMatch((await llamaduct.ended).stderr, /no Ollama|password/);
  await ollama.close();
});

test('serve starts the demo when OLLAMA_HOST accepts connections but never answers', async () => {
  await using ollama = await fakeUpstream(silent);
  ollama.list = silent;
  const llamaduct = startLlamaduct(anyPort, { OLLAMA_HOST: new URL(ollama.url).host });
  await bannerOf(llamaduct);
  await stop(llamaduct);
});

test('serve with an explicit upstream that is unreachable returns errors and starts no demo', async () => {
  const llamaduct = startLlamaduct([...anyPort, '--upstream', 'http://127.0.0.1:1'], { LLAMADUCT_KEY: secret });
  const [, url = ''] = await llamaduct.until(ready);
  assert.equal((await chat(url, secret)).status, 502);
  assert.equal((await fetch(`${url}/readyz`)).status, 503);
  assert.match((await bannerOf(llamaduct)).curl, /"model":"MODEL"/);
  llamaduct.kill('SIGTERM');
  const { stderr } = await llamaduct.ended;
  assert.doesNotMatch(stderr, /built-in demo/);
  assert.match(stderr, /"upstream":"ollama","msg":"no queue: /);
});

test('serve with a file prints only its addresses', async () => {
  await using upstream = await fakeUpstream(() => undefined);
  const file = fileOf(
    'keys.yaml',
    `listen: 127.0.0.1:0\nupstreams: [{url: "${upstream.url}"}]\nkeys: [{name: a, hash: "${hashSecret(secret)}"}]\nmetrics: {listen: "127.0.0.1:0"}\n`,
  );
  const llamaduct = startLlamaduct(['--config', file], { LLAMADUCT_KEY: `${secret}-2` });
  const pattern =
    /^llamaduct is ready on (http:\/\/127\.0\.0\.1:\d+), metrics on (http:\/\/127\.0\.0\.1:\d+\/metrics)\n$/;
  const [, url = '', metricsUrl = ''] = await llamaduct.until(pattern);
  for (const key of [secret, `${secret}-2`]) {
    const models = await fetch(`${url}/v1/models`, { headers: { authorization: `Bearer ${key}` } });
    assert.equal(models.status, 200);
  }
  assert.equal((await fetch(metricsUrl)).status, 200);
  llamaduct.kill('SIGTERM');
  const { code, stdout } = await llamaduct.ended;
  assert.equal(code, 0);
  assert.match(stdout, pattern);
});

test('serve warns about open access, on loopback and for its metrics too', async () => {
  const file = fileOf('open.yaml', 'access: open\n');
  const beyond = startLlamaduct(['--config', file, '--listen', '0.0.0.0:0']);
  await beyond.until(/ready/);
  beyond.kill('SIGTERM');
  assert.match(
    (await beyond.ended).stderr,
    /^llamaduct: warning: access is open: everyone who can reach 0\.0\.0\.0:0 can use the upstream$/m,
  );
  const loopback = startLlamaduct(['--config', file, ...anyPort]);
  await loopback.until(/ready/);
  loopback.kill('SIGTERM');
  assert.match(
    (await loopback.ended).stderr,
    /^llamaduct: warning: access is open: every program on this machine that connects to 127\.0\.0\.1:0 can use the upstream$/m,
  );
});

test('the warnings name who can use the upstream, who can read the metrics, and unverified certificates', () => {
  const parse = (settings: object): string[] => {
    const { upstreams = [], ...file } = configSchema.parse(settings);
    const [first = upstream, ...others] = upstreams.map(
      ({ name, kind, url, insecure_skip_verify: unverified }): UpstreamConfig => ({
        name,
        kind,
        url,
        ...(unverified && { tls: { rejectUnauthorized: false } }),
      }),
    );
    const config = { ...file, upstreams: [first, ...others] } as const;
    return warnings({ config, file: undefined, upstreamsReplacedBy: undefined });
  };
  const upstream: UpstreamConfig = { name: 'ollama', kind: 'ollama', url: 'http://gpu1' };
  const network = { metrics: { listen: '0.0.0.0:9464' } };
  const loopback = { metrics: { listen: '[::1]:9464' } };
  assert.deepEqual(parse({}), []);
  assert.deepEqual(parse(loopback), []);
  assert.deepEqual(parse(network), ['metrics need no key: everyone who can reach 0.0.0.0:9464 can read them']);
  assert.deepEqual(parse({ access: 'open', listen: 'unix:/run/a.sock', ...loopback }), [
    'access is open: every user who can open /run/a.sock can use the upstream',
    'metrics need no key: every program on this machine that connects to [::1]:9464 can read them',
  ]);
  const [warning = ''] = parse({ upstreams: [{ name: 'gpu', url: 'https://gpu1', insecure_skip_verify: true }] });
  assert.match(warning, /^insecure_skip_verify: the certificate of upstream gpu is NOT VERIFIED: /);
});

test('serve exits with 1 and prints the errors of an invalid configuration', async () => {
  const file = fileOf('faulty.yaml', 'listne: x\n');
  assert.deepEqual(await run(['--config', file]), {
    code: 1,
    stdout: '',
    stderr: `llamaduct: ${file}:1:1: listne: unknown setting; did you mean listen?\n`,
  });
  const { code, stderr } = await run(['--config', fileOf('empty.yaml', '')]);
  assert.equal(code, 1);
  assert.match(stderr, /^llamaduct: .*empty\.yaml defines no keys.*keys new.*LLAMADUCT_KEY.*access: open.*\n$/);
});

test('serve exits with 1 and one line when the address is in use, with and without the demo', async () => {
  await using other = await fakeUpstream(silent);
  const listen = new URL(other.url).host;
  const line = `llamaduct: cannot listen on ${listen}: the address is in use\n`;
  for (const extra of [[], ['--upstream', 'http://127.0.0.1:1']]) {
    const { code, stdout, stderr } = await run(['--listen', listen, ...extra]);
    assert.deepEqual([code, stdout], [1, '']);
    assert.ok(stderr.endsWith(line), stderr);
  }
});

for (const [name, signals, completes] of [
  ['the first SIGTERM lets a response finish', [[0, 'SIGTERM']], true],
  [
    'a SIGINT that npm repeats counts once',
    [
      [0, 'SIGINT'],
      [20, 'SIGINT'],
    ],
    true,
  ],
  [
    'a second SIGTERM ends the process at once',
    [
      [0, 'SIGTERM'],
      [100, 'SIGTERM'],
    ],
    false,
  ],
  [
    'a second SIGINT after half a second ends the process at once',
    [
      [0, 'SIGINT'],
      [600, 'SIGINT'],
    ],
    false,
  ],
] as const) {
  test(name, async () => {
    const responses: ServerResponse[] = [];
    await using upstream = await fakeUpstream((res) => {
      ndjson(res).write(chatLine('Hello'));
      responses.push(res);
    });
    const llamaduct = startLlamaduct([...anyPort, '--upstream', upstream.url], { LLAMADUCT_KEY: secret });
    const [, url = ''] = await llamaduct.until(ready);
    const response = await chat(url, secret);
    for (const [pause, signal] of signals) {
      await sleep(pause);
      llamaduct.kill(signal);
    }
    await until('no more connections', () =>
      fetch(url).then(
        () => false,
        () => true,
      ),
    );
    if (completes) for (const res of responses) res.end(doneLine());
    const text = await response.text().catch(() => 'cut off');
    assert.match(text, completes ? /data: \[DONE\]\n\n$/ : /^cut off$/);
    assert.equal((await llamaduct.ended).code, completes ? 0 : 1);
  });
}

test('npm start serves, and the gateway ends when npm is killed', async () => {
  const npm = start('npm', ['start', '--', ...anyPort]);
  const [, url = ''] = await npm.until(ready);
  assert.equal((await fetch(`${url}/healthz`)).status, 200);
  npm.kill('SIGTERM');
  await npm.ended;
  await assert.rejects(fetch(url));
});
