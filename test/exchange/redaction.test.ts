import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { hashSecret } from '../../src/config/secret.ts';
import { run, startLlamaduct } from '../cli/run.ts';
import { secret, type TestGateway, testGateway } from '../helpers/gateway.ts';
import { ndjson } from '../helpers/ollama-answers.ts';
import { type Answer, fakeUpstream, openaiUpstream } from '../helpers/upstream.ts';
import { until } from '../helpers/wait.ts';
import { endpoints } from '../limits/limited.ts';

/** With characters that differ in a URL and in Basic authentication. */
const password = 'pass word+of/the=box';
const encoded = encodeURIComponent(password);
const upstreamKey = 'sk-upstream-0123456789';
const valkeyPassword = 'valkey-hunter2';
const metricsToken = 'metrics-token-hunter2';
const wrongKey = 'ld-not-a-key-at-all';
const prompt = 'the prompt nobody else may read';
const answered = 'the answer nobody else may read';

const basic = Buffer.from(`me:${password}`).toString('base64');
const credentials = [secret, password, encoded, basic, upstreamKey, valkeyPassword, metricsToken, wrongKey];
/** The credentials, also as they are spelled within JSON. */
const spellings = credentials.flatMap((text) => [text, JSON.stringify(text).slice(1, -1)]);

function assertNone(where: string, text: string, secrets: readonly string[] = spellings): void {
  for (const found of secrets) {
    assert.ok(!text.includes(found), `${where} has ${found}: ${text.slice(Math.max(0, text.indexOf(found) - 200))}`);
  }
}

const settings = {
  // Nothing listens on this port.
  valkey: { url: `redis://me:${valkeyPassword}@127.0.0.1:1`, when_down: 'closed' },
  metrics: { token: hashSecret(metricsToken) },
  keys: [
    { name: 'tester', hash: hashSecret(secret), scopes: ['inference', 'admin', 'metrics'] },
    { name: 'limited', hash: hashSecret('ld-limited'), limits: { requests_per_minute: 5 } },
  ],
  timeouts: { first_byte: '150ms', idle: '150ms', grace: '50ms' },
};

/** Fails in the way that the model of the request names. */
const failing: Answer = (res, { body, headers }) => {
  if (body.includes('"status"')) {
    const message = `Incorrect API key provided: ${String(headers.authorization)}.`;
    return void res.writeHead(401, { 'www-authenticate': 'Bearer' }).end(JSON.stringify({ error: { message } }));
  }
  if (body.includes('"garbage"')) return void res.end(`${answered} <html>`);
  if (body.includes('"reset"')) return void res.destroy();
  if (body.includes('"silent"')) return undefined;
  ndjson(res).write(`{"message":{"role":"assistant","content":"${answered}"},"response":"x","done":false}\n`);
  if (body.includes('"broken"')) setTimeout(() => res.destroy(), 30);
  else if (body.includes('"error"')) res.end(`{"error":"failed at http://me:x@box/ for ${prompt}"}\n`);
  else if (body.includes('"odd"')) res.end('not json\n');
  return undefined;
};
const failures = ['status', 'garbage', 'reset', 'silent', 'broken', 'error', 'odd', 'idle'];

/** Sends requests that fail in every way. Returns all responses as one text. */
async function failInEveryWay(gateway: TestGateway): Promise<string> {
  const responses: string[] = [];
  const send = async (path: string, init: RequestInit = {}): Promise<void> => {
    const response = await gateway.fetch(path, init);
    const text = await response.text().catch((error: Error) => error.message);
    responses.push(`${path.split('?', 1)[0]} ${response.status} ${JSON.stringify([...response.headers])} ${text}`);
  };
  const generations = endpoints.flatMap(({ path, body, streams }) =>
    failures.flatMap((model) =>
      (streams ? [false, true] : [false]).map(async (stream) => {
        const text = JSON.stringify({ ...body, model, ...(streams && { stream }) }).replaceAll('"hi"', `"${prompt}"`);
        await send(path, { method: 'POST', body: text });
      }),
    ),
  );
  const authorization = (value: string): RequestInit => ({ headers: { authorization: value } });
  await Promise.all([
    ...generations,
    send('/v1/models', authorization(`Bearer ${wrongKey}`)),
    send('/v1/models', authorization(`Basic ${Buffer.from(`me:${wrongKey}`).toString('base64')}`)),
    send('/v1/models', authorization(`Bearer ${metricsToken}`)),
    send('/v1/chat/completions', {
      ...authorization('Bearer ld-limited'),
      method: 'POST',
      body: JSON.stringify(endpoints[0]?.body),
    }),
    send(`/v1/models?key=${secret}`),
    send(`/nothing?key=${secret}`),
    send(`/v1/usage?by=${secret}`),
    send('/v1/responses/resp_unknown'),
    send('/v1/chat/completions', { method: 'POST', body: `{"model": ${prompt}` }),
    send('/readyz'),
    send('/metrics', authorization(`Bearer ${metricsToken}`)),
  ]);
  await send('/metrics');
  return responses.join('\n');
}

suite('responses, metrics and logs', { concurrency: true }, () => {
  for (const kind of ['ollama', 'openai'] as const) {
    test(`contain no secret, whatever fails at an upstream of kind ${kind}`, async () => {
      await using upstream =
        kind === 'ollama' ? await fakeUpstream(failing, failures) : await openaiUpstream(failing, failures);
      const url = upstream.url.replace('http://', `http://me:${encoded}@`);
      const config = kind === 'ollama' ? { url } : { kind, url: upstream.url, key: upstreamKey };
      const gateway = await testGateway(upstream, { ...settings, upstream: config });
      const responses = await failInEveryWay(gateway);
      await gateway.close();
      const sent = new Set(upstream.requests.map(({ headers }) => headers.authorization));
      assert.deepEqual([...sent], [kind === 'ollama' ? `Basic ${basic}` : `Bearer ${upstreamKey}`]);
      // This upstream repeats the credentials of its own proxy in an error body, which llamaduct passes through from Ollama.
      const own = kind === 'ollama' ? spellings.filter((text) => text !== basic) : spellings;
      assertNone('a response', responses, own);
      assert.ok(gateway.log.length > 40);
      const log = JSON.stringify(gateway.log);
      assertNone('the log', log);
      assertNone('the log', log, [prompt, answered, new URL(upstream.url).host]);
      const codes = new Set(gateway.log.map(({ error }) => error));
      for (const code of ['upstream_idle_timeout', 'upstream_timeout', 'upstream_incomplete', 'invalid_api_key']) {
        assert.ok(codes.has(code), `no request failed with ${code}: ${[...codes].join(' ')}`);
      }
      assert.ok(!codes.has('internal_error'));
    });
  }

  test('contain no secret when the upstream is unreachable', async () => {
    const url = `http://me:${encoded}@127.0.0.1:1`;
    const gateway = await testGateway({ url }, settings);
    const responses = await failInEveryWay(gateway);
    await gateway.close();
    for (const [where, text] of [
      ['a response', responses],
      ['the log', JSON.stringify(gateway.log)],
    ] as const) {
      assertNone(where, text);
      assertNone(where, text, ['127.0.0.1:1']);
    }
  });
});

suite('the output of a command', () => {
  const file = (rest: string): string =>
    [
      'listen: 127.0.0.1:0',
      `upstreams: [{ url: "http://me:${encoded}@127.0.0.1:1" }]`,
      `valkey: { url: "redis://me:${valkeyPassword}@127.0.0.1:1" }`,
      rest,
    ].join('\n');

  test('contains no secret: serve, with failed requests and a failed reload', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'llamaduct-'));
    const config = join(folder, 'llamaduct.yaml');
    await writeFile(config, file(''));
    const env = { LLAMADUCT_KEY: secret, LLAMADUCT_METRICS_TOKEN: metricsToken };
    const llamaduct = startLlamaduct(['--config', config], env);
    const [, url = ''] = await llamaduct.until(/ready on (\S+)/);
    for (const key of [secret, wrongKey]) {
      const headers = { authorization: `Bearer ${key}` };
      const response = await fetch(`${url}/v1/chat/completions`, {
        method: 'POST',
        headers,
        body: JSON.stringify(endpoints[0]?.body),
      });
      assertNone('a response', await response.text());
    }
    await writeFile(config, file('nonsense: true\n'));
    llamaduct.kill('SIGHUP');
    await until('the failed reload', async () => {
      const response = await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${metricsToken}` } });
      return (await response.text()).includes('llamaduct_config_last_reload_success 0');
    });
    llamaduct.kill('SIGTERM');
    const { stdout, stderr } = await llamaduct.ended;
    assert.match(stderr, /configuration not reloaded/);
    assert.match(stderr, /"error":"upstream_unreachable"/);
    assertNone('standard output', stdout);
    assertNone('standard error', stderr);
    await rm(folder, { recursive: true });
  });

  test('contains no secret: check, of files with errors', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'llamaduct-'));
    const faulty = [
      ...['nonsense: true', 'limits: { body: 1 }', 'keys: [', 'keys: [{ name: a, hash: sha256 }]'].map(file),
      `upstreams: [{ url: "ftp://me:${encoded}@box" }]`,
      `upstreams: [{ url: "http://me:${encoded}@box:99999" }]`,
      `valkey: { url: "http://me:${valkeyPassword}@box" }`,
    ];
    await Promise.all(
      faulty.map(async (text, index) => {
        const config = join(folder, `${index}.yaml`);
        await writeFile(config, text);
        const { code, stdout, stderr } = await run(['check', config]);
        assert.equal(code, 1, text);
        assertNone('check', stdout + stderr);
      }),
    );
    await rm(folder, { recursive: true });
  });
});
