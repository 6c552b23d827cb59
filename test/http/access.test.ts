import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { hashSecret } from '../../src/config/secret.ts';
import { secret, testGateway } from '../helpers/gateway.ts';
import { plainAnswer } from '../helpers/ollama-answers.ts';
import { saying } from '../helpers/openai-answers.ts';
import { fakeUpstream, openaiUpstream } from '../helpers/upstream.ts';

const models = ['llama3:8b', 'qwen3:latest', 'hf.co/a/b:Q4'];
const upstreamWithModels = async (): ReturnType<typeof fakeUpstream> => await fakeUpstream(plainAnswer(), models);

const keys = [
  { name: 'tester', hash: hashSecret(secret), scopes: ['inference', 'admin', 'metrics'] },
  { name: 'plain', hash: hashSecret('ld-plain') },
  { name: 'scraper', hash: hashSecret('ld-scraper'), scopes: ['metrics'] },
  { name: 'old', hash: hashSecret('ld-old'), expires: '2020-01-01' },
  { name: 'limited', hash: hashSecret('ld-limited'), models: ['llama3:*', 'qwen3'] },
];

const basic = (pair: string): string => `Basic ${Buffer.from(pair).toString('base64')}`;
const bearer = (key: string): { headers: Record<string, string> } => ({ headers: { authorization: `Bearer ${key}` } });

suite('authentication', () => {
  const accepted: Record<string, Record<string, string>> = {
    'a bearer token': { authorization: `Bearer ${secret}` },
    'a bearer token in any case': { authorization: `bearer ${secret}` },
    'an x-api-key header': { 'x-api-key': secret, authorization: 'Bearer ollama' },
    'a Basic password': { authorization: basic(`me:${secret}`) },
  };
  const refused: Record<string, [Record<string, string>, string]> = {
    'no key': [{ authorization: '' }, 'missing'],
    'an unknown key': [{ authorization: 'Bearer ld-nobody' }, 'unknown'],
    'an unknown password': [{ authorization: basic(`${secret}:x`) }, 'unknown'],
    'an expired key': [{ authorization: 'Bearer ld-old' }, 'expired'],
    'another scheme': [{ authorization: `Digest ${secret}` }, 'missing'],
    'a hash instead of the secret': [{ authorization: `Bearer ${hashSecret(secret)}` }, 'unknown'],
  };

  test('accepts a key as a bearer token, as an x-api-key header or as a Basic password', async () => {
    await using upstream = await upstreamWithModels();
    await using gateway = await testGateway(upstream, { keys });
    for (const [name, headers] of Object.entries(accepted)) {
      assert.equal((await gateway.chat({}, { headers })).status, 200, name);
    }
  });

  test("gives a 401 in the API's error format without a valid key, and counts it by reason", async () => {
    await using upstream = await upstreamWithModels();
    await using gateway = await testGateway(upstream, { keys });
    for (const [name, [headers, reason]] of Object.entries(refused)) {
      const before = await gateway.metric(`llamaduct_auth_failures_total{reason="${reason}"}`);
      const response = await gateway.chat({}, { headers });
      const { error } = (await response.json()) as { error: Record<string, string> };
      assert.deepEqual(
        [response.status, error['code'], error['type']],
        [401, 'invalid_api_key', 'invalid_request_error'],
        name,
      );
      assert.equal(response.headers.get('www-authenticate'), 'Bearer');
      assert.equal(await gateway.metric(`llamaduct_auth_failures_total{reason="${reason}"}`), before + 1, name);
      const native = await gateway.fetch('/api/tags', { headers });
      assert.equal(native.status, 401, name);
      assert.equal(typeof ((await native.json()) as { error: unknown }).error, 'string');
    }
    assert.equal(upstream.requests.length, 0);
  });

  test('leaves no key and no prompt in the log or the metrics', async () => {
    await using upstream = await upstreamWithModels();
    await using gateway = await testGateway(upstream, { keys });
    await gateway.chat({ messages: [{ role: 'user', content: 'my secret prompt' }] });
    await gateway.chat({}, bearer('ld-nobody'));
    const output = JSON.stringify(gateway.log) + (await (await gateway.fetch('/metrics')).text());
    assert.match(output, /tester/);
    for (const hidden of [secret, 'ld-nobody', 'my secret prompt', 'Hello', hashSecret(secret).slice(7)]) {
      assert.ok(!output.includes(hidden), hidden);
    }
  });
});

suite('authorization', () => {
  const routes: [string, string, string][] = [
    ['POST', '/v1/chat/completions', 'inference'],
    ['GET', '/v1/models', 'inference'],
    ['POST', '/api/chat', 'inference'],
    ['GET', '/api/tags', 'inference'],
    ['HEAD', '/', 'inference'],
    ['POST', '/api/pull', 'admin'],
    ['POST', '/api/push', 'admin'],
    ['POST', '/api/create', 'admin'],
    ['POST', '/api/copy', 'admin'],
    ['DELETE', '/api/delete', 'admin'],
    ['HEAD', `/api/blobs/sha256:${'a'.repeat(64)}`, 'admin'],
    ['POST', `/api/blobs/sha256:${'a'.repeat(64)}`, 'admin'],
    ['GET', '/metrics', 'metrics'],
  ];
  const body = JSON.stringify({ model: 'llama3:8b', messages: [{ role: 'user', content: 'hi' }] });

  test('gives a 403 for a route without its scope', async () => {
    await using upstream = await upstreamWithModels();
    await using gateway = await testGateway(upstream, { keys });
    for (const [method, path, scope] of routes) {
      for (const [key, scopes] of [
        ['ld-plain', ['inference']],
        ['ld-scraper', ['metrics']],
        [secret, ['inference', 'admin', 'metrics']],
      ] as const) {
        const response = await gateway.fetch(path, { method, ...bearer(key), ...(method === 'POST' && { body }) });
        assert.equal(
          response.status,
          (scopes as readonly string[]).includes(scope) ? 200 : 403,
          `${key} ${method} ${path}`,
        );
        await response.arrayBuffer();
      }
    }
  });

  test('gives a 403 for a model that the key may not use, on every route and in every spelling', async () => {
    await using upstream = await upstreamWithModels();
    await using gateway = await testGateway(upstream, { keys });
    const limited = bearer('ld-limited');
    const status = async (path: string, json: string): Promise<number> =>
      (await gateway.fetch(path, { method: 'POST', body: json, ...limited })).status;
    const chat = (model: string): string => JSON.stringify({ model, messages: [{ role: 'user', content: 'hi' }] });
    for (const path of [
      '/v1/chat/completions',
      '/api/chat',
      '/api/generate',
      '/api/embed',
      '/api/embeddings',
      '/api/show',
    ]) {
      for (const allowed of ['llama3:8b', 'LLAMA3:8B', 'qwen3', 'qwen3:latest'])
        assert.equal(await status(path, chat(allowed)), 200);
      for (const other of ['hf.co/a/b:Q4', 'llama', 'qwen3:32b', 'xllama3:8b'])
        assert.equal(await status(path, chat(other)), 403);
    }
    const smuggled = ['{"model":"qwen3","MODEL":"hf.co/a/b:Q4"}', '{"Name":"hf.co/a/b:Q4","model":"qwen3"}'];
    for (const json of smuggled) assert.equal(await status('/api/chat', json), 403);
    assert.equal(await status('/api/chat', '{"model":"hf.co/a/b:Q4"} trailing'), 400);
    const list = (await (await gateway.fetch('/v1/models', limited)).json()) as { data: { id: string }[] };
    assert.deepEqual(
      list.data.map(({ id }) => id),
      ['llama3:8b', 'qwen3:latest'],
    );
    assert.equal((await gateway.fetch('/v1/models/hf.co/a/b:Q4', limited)).status, 403);
  });
});

suite('a key with model limits in front of an OpenAI-compatible server', () => {
  const limitedTo = (allowed: string) => ({
    keys: [{ name: 'limited', hash: hashSecret('ld-limited'), models: [allowed] }],
    upstream: { kind: 'openai' as const },
  });
  const messages = [{ role: 'user', content: 'hi' }];
  const post = (json: object): RequestInit => ({
    method: 'POST',
    body: JSON.stringify(json),
    ...bearer('ld-limited'),
  });

  test('gets a 403 for another model under a second spelling of `model`, which a server written in Go would read', async () => {
    await using upstream = await openaiUpstream(saying('no'), ['mine', 'theirs']);
    await using gateway = await testGateway(upstream, limitedTo('mine'));
    for (const spelling of ['MODEL', 'Model']) {
      const json = { model: 'mine', [spelling]: 'theirs', messages };
      assert.equal((await gateway.fetch('/v1/chat/completions', post(json))).status, 403);
    }
    assert.equal(upstream.requests.length, 0);
  });

  test('gets a 403 for another model in a `models` list of fallbacks, which some servers read', async () => {
    await using upstream = await openaiUpstream(saying('no'), ['mine', 'theirs']);
    await using gateway = await testGateway(upstream, limitedTo('mine'));
    const json = { model: 'mine', models: ['mine', 'theirs'], messages };
    assert.equal((await gateway.fetch('/v1/chat/completions', post(json))).status, 403);
    assert.equal(upstream.requests.length, 0);
  });

  test('gets a 403, not the default model, for an unknown model that matches its pattern', async () => {
    await using upstream = await openaiUpstream(saying('no'), ['small', 'big']);
    await using gateway = await testGateway(upstream, {
      default_model: 'big',
      default_for_unknown: true,
      ...limitedTo('small*'),
    });
    for (const [path, json] of [
      ['/v1/chat/completions', { messages }],
      ['/v1/messages', { messages, max_tokens: 5 }],
      ['/api/chat', { messages }],
      ['/api/embed', { input: 'x' }],
      ['/v1/embeddings', { input: 'x' }],
    ] as const) {
      const response = await gateway.fetch(path, post({ model: 'small-but-unknown', ...json }));
      assert.equal(response.status, 403, path);
    }
    assert.equal(upstream.requests.length, 0);
  });
});

suite('open access', () => {
  test('allows inference with any key or none, but no administration', async () => {
    await using upstream = await upstreamWithModels();
    await using gateway = await testGateway(upstream, { access: 'open', keys });
    for (const headers of [{ authorization: '' }, { authorization: 'Bearer ollama' }]) {
      assert.equal((await gateway.chat({}, { headers })).status, 200);
      assert.equal((await gateway.fetch('/api/delete', { method: 'DELETE', headers })).status, 403);
    }
    assert.equal((await gateway.fetch('/api/delete', { method: 'DELETE' })).status, 200);
  });
});

suite('/metrics', () => {
  test('can have a token of its own, which gives access to nothing else', async () => {
    await using upstream = await upstreamWithModels();
    await using gateway = await testGateway(upstream, { metrics: { token: hashSecret('scrape-me') } });
    assert.equal((await gateway.fetch('/metrics', bearer('scrape-me'))).status, 200);
    assert.equal((await gateway.fetch('/v1/models', bearer('scrape-me'))).status, 403);
  });

  test('can have a listener of its own, which serves nothing else', async () => {
    await using upstream = await upstreamWithModels();
    await using gateway = await testGateway(upstream, { metrics: { listen: '127.0.0.1:0' } });
    const url = gateway.metricsUrl ?? '';
    assert.match(await (await fetch(url)).text(), /^llamaduct_build_info\{version="[\d.]+",node="[\d.]+"\} 1$/m);
    assert.equal((await fetch(url.replace('/metrics', '/api/tags'))).status, 404);
  });
});
