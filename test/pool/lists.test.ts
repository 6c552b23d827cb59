import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { hashSecret } from '../../src/config/secret.ts';
import { json, sendJson, silent } from '../helpers/answers.ts';
import { type TestGateway, secret, testGateway } from '../helpers/gateway.ts';
import { type FakeUpstream, fakeUpstream, openaiUpstream } from '../helpers/upstream.ts';

const names = ['llama3:8b', 'qwen3:4b', 'öl:latest'];

const keys = [
  { name: 'tester', hash: hashSecret(secret) },
  { name: 'llamas', hash: hashSecret('secret-of-llamas'), models: ['llama3*'] },
  { name: 'grouped', hash: hashSecret('secret-of-grouped'), group: 'qwens' },
  { name: 'own', hash: hashSecret('secret-of-own'), group: 'qwens', models: ['öl'] },
  { name: 'nobody', hash: hashSecret('secret-of-nobody'), models: ['nothing*'] },
  { name: 'aliased', hash: hashSecret('secret-of-aliased'), models: ['gpt-4o'] },
];
const settings = { keys, groups: { qwens: { models: ['qwen*'] } } };

/** The models that each key sees. */
const visible: readonly [key: string, names: readonly string[]][] = [
  ['llamas', ['llama3:8b']],
  ['grouped', ['qwen3:4b']],
  ['own', ['öl:latest']],
  ['nobody', []],
];

function as(name: string, init: RequestInit = {}): RequestInit {
  return { ...init, headers: { authorization: `Bearer secret-of-${name}` } };
}

/** Formatted as no encoder of llamaduct formats JSON. */
const psText = `{ "models" : [${names.map((name) => ` {"name":"${name}","size":12345678901234567890}`).join(',')}] }`;

async function ollama(): Promise<FakeUpstream> {
  return await fakeUpstream((res, { url, body }) => {
    res.setHeader('content-type', 'application/json');
    if (url === '/api/ps') res.setHeader('content-length', Buffer.byteLength(psText)).end(psText);
    else if (url === '/api/show') res.end(JSON.stringify({ details: {}, model_info: {}, for: JSON.parse(body) }));
    else res.writeHead(404).end('{"error":"not found"}');
  }, names);
}

/** The names in a list. Fails unless its `content-length` is right. */
async function listed(gateway: TestGateway, path: string, init?: RequestInit): Promise<unknown[]> {
  const response = await gateway.fetch(path, init);
  assert.equal(response.status, 200);
  const bytes = Buffer.from(await response.arrayBuffer());
  const length = response.headers.get('content-length');
  if (length !== null) assert.equal(Number(length), bytes.length);
  const { models, data } = JSON.parse(bytes.toString('utf8')) as {
    models?: { name: string }[];
    data?: { id: string }[];
  };
  return models?.map(({ name }) => name) ?? data?.map(({ id }) => id) ?? [];
}

async function status(gateway: TestGateway, path: string, init: RequestInit): Promise<[number, string]> {
  const response = await gateway.fetch(path, init);
  return [response.status, await response.text()];
}

function shown(name: string, init: RequestInit, field = 'model'): RequestInit {
  return { ...init, method: 'POST', body: JSON.stringify({ [field]: name }) };
}

suite('model lists in front of Ollama', () => {
  for (const path of ['/v1/models', '/api/tags', '/api/ps']) {
    test(`show only the models that a key may use: ${path}`, async () => {
      await using upstream = await ollama();
      await using gateway = await testGateway(upstream, settings);
      assert.deepEqual(await listed(gateway, path), names);
      for (const [key, expected] of visible) assert.deepEqual(await listed(gateway, path, as(key)), expected, key);
    });
  }

  test('are passed through byte for byte for a key without model limits', async () => {
    await using upstream = await ollama();
    await using gateway = await testGateway(upstream, settings);
    for (const path of ['/api/tags', '/api/ps']) {
      const [own, passed] = await Promise.all([fetch(upstream.url + path), gateway.fetch(path)]);
      assert.equal(passed.headers.get('content-type'), own.headers.get('content-type'));
      assert.equal(passed.headers.get('content-length'), own.headers.get('content-length'));
      assert.equal(await passed.text(), await own.text());
    }
  });

  test('do not reveal the length of the full list in the headers of a HEAD request', async () => {
    await using upstream = await ollama();
    await using gateway = await testGateway(upstream, settings);
    const lengths = await Promise.all(
      ['llamas', 'grouped'].map(async (key) => {
        const head = await gateway.fetch('/api/ps', as(key, { method: 'HEAD' }));
        assert.equal(head.status, 200);
        return head.headers.get('content-length');
      }),
    );
    assert.ok(!lengths.includes(String(Buffer.byteLength(psText))), String(lengths));
  });

  test('are matched by /api/show and /v1/models/{id}: a 403 for a model that the key may not use', async () => {
    await using upstream = await ollama();
    await using gateway = await testGateway(upstream, settings);
    for (const [key, own, others] of [
      ['llamas', 'llama3:8b', 'qwen3:4b'],
      ['grouped', 'qwen3:4b', 'llama3:8b'],
    ] as const) {
      for (const field of ['model', 'name', 'Model']) {
        assert.equal((await status(gateway, '/api/show', shown(own, as(key), field)))[0], 200);
        const [code, text] = await status(gateway, '/api/show', shown(others, as(key), field));
        assert.equal(code, 403);
        assert.match(text, /^\{"error":"/);
      }
      assert.equal((await status(gateway, `/v1/models/${own}`, as(key)))[0], 200);
      assert.equal((await status(gateway, `/v1/models/${encodeURIComponent(own)}`, as(key)))[0], 200);
      const [code, text] = await status(gateway, `/v1/models/${others}`, as(key));
      assert.equal(code, 403);
      assert.match(text, /"model_not_allowed"/);
    }
    const both = { ...as('llamas'), method: 'POST', body: '{"model":"llama3:8b","name":"qwen3:4b"}' };
    assert.equal((await status(gateway, '/api/show', both))[0], 403);
  });

  test('show a model under its alias to a key that may use only the alias', async () => {
    await using upstream = await ollama();
    await using gateway = await testGateway(upstream, { ...settings, aliases: { 'gpt-4o': 'llama3:8b' } });
    assert.deepEqual(await listed(gateway, '/v1/models', as('aliased')), ['gpt-4o']);
    assert.deepEqual(await listed(gateway, '/v1/models', as('llamas')), ['llama3:8b', 'gpt-4o']);
    assert.equal((await status(gateway, '/v1/models/gpt-4o', as('aliased')))[0], 200);
    assert.equal((await status(gateway, '/v1/models/llama3:8b', as('aliased')))[0], 403);
  });

  test('are a 502 for a key with model limits when the upstream sends a list that cannot be read', async () => {
    await using upstream = await fakeUpstream((res) => {
      res.setHeader('content-type', 'application/json').end('["llama3:8b","qwen3:4b"]');
    }, names);
    await using gateway = await testGateway(upstream, settings);
    const [code, text] = await status(gateway, '/api/ps', as('llamas'));
    assert.equal(code, 502);
    assert.doesNotMatch(text, /qwen/);
  });
});

suite('model lists in front of an OpenAI-compatible server', () => {
  const kind = { upstream: { kind: 'openai' as const, name: 'vllm' } };

  test('show only the models that a key may use', async () => {
    await using upstream = await openaiUpstream(silent, names);
    await using gateway = await testGateway(upstream, { ...settings, ...kind });
    for (const path of ['/v1/models', '/api/tags']) {
      assert.deepEqual(await listed(gateway, path), names);
      for (const [key, expected] of visible) assert.deepEqual(await listed(gateway, path, as(key)), expected, key);
    }
    assert.deepEqual(await listed(gateway, '/api/ps', as('llamas')), []);
  });

  test('are matched by /api/show and /v1/models/{id}: a 403 for a model that the key may not use', async () => {
    await using upstream = await openaiUpstream(silent, names);
    await using gateway = await testGateway(upstream, { ...settings, ...kind });
    for (const [key, own, others] of [
      ['llamas', 'llama3:8b', 'qwen3:4b'],
      ['grouped', 'qwen3:4b', 'llama3:8b'],
    ] as const) {
      assert.equal((await status(gateway, '/api/show', shown(own, as(key))))[0], 200);
      assert.equal((await status(gateway, '/api/show', shown(others, as(key))))[0], 403);
      assert.equal((await status(gateway, `/v1/models/${own}`, as(key)))[0], 200);
      assert.equal((await status(gateway, `/v1/models/${others}`, as(key)))[0], 403);
    }
  });

  test('take their context lengths from /v1/models alone', async () => {
    await using upstream = await openaiUpstream(silent);
    upstream.list = (res, { url }) => {
      const data = [
        { id: 'a', created: 1, max_model_len: 4096 },
        { id: 'b', created: 1, meta: { n_ctx_train: 8192 } },
        { id: 'c', created: 1 },
      ];
      sendJson(res, url === '/v1/models' ? 200 : 404, { object: 'list', data });
    };
    await using gateway = await testGateway(upstream, kind);
    const { data } = (await (await gateway.fetch('/v1/models')).json()) as { data: { context_length?: number }[] };
    assert.deepEqual(
      data.map(({ context_length: length }) => length),
      [4096, 8192, undefined],
    );
    assert.deepEqual(new Set(upstream.lists.map(({ url }) => url)), new Set(['/v1/models']));
    assert.equal(upstream.requests.length, 0);
  });

  test('are not read once per name of a long `models` field', async () => {
    await using upstream = await openaiUpstream(json(500, { error: { message: 'broken' } }));
    upstream.list = upstream.answer;
    await using gateway = await testGateway(upstream, {
      ...kind,
      default_model: 'mine',
      default_for_unknown: true,
    });
    const models = Array.from({ length: 2_000 }, (_, index) => `m${index}`);
    const body = JSON.stringify({ model: 'mine', models, messages: [{ role: 'user', content: 'hi' }] });
    const response = await gateway.fetch('/v1/chat/completions', { method: 'POST', body });
    assert.equal(response.status, 502);
    assert.ok(upstream.lists.length < 50, `${upstream.lists.length} lists`);
  });

  test('are matched by /api/show: an unknown model is shown as the default model that answers for it', async () => {
    await using upstream = await openaiUpstream(silent, ['fallback']);
    await using gateway = await testGateway(upstream, {
      ...kind,
      default_model: 'fallback',
      default_for_unknown: true,
    });
    const response = await gateway.fetch('/api/show', { method: 'POST', body: '{"model":"unheard-of"}' });
    assert.equal(response.status, 200);
  });
});
