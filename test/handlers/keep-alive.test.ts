import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { hashSecret } from '../../src/config/secret.ts';
import { ignoresKeepAlive } from '../../src/policy/keep-alive.ts';
import { KeyRing } from '../../src/policy/keys.ts';
import { sendJson } from '../helpers/answers.ts';
import { type TestGateway, secret, testGateway } from '../helpers/gateway.ts';
import { plainAnswer } from '../helpers/ollama-answers.ts';
import { type Answer, type FakeUpstream, fakeUpstream } from '../helpers/upstream.ts';

const tester = { name: 'tester', hash: hashSecret(secret), scopes: ['inference', 'admin', 'metrics'] };
const bob = { name: 'bob', hash: hashSecret('the-secret-of-bob') };
const asBob = { authorization: 'Bearer the-secret-of-bob' };

suite('keep_alive of a key with the inference scope', () => {
  const key = new KeyRing([{ ...bob, scopes: ['inference'] }]).find('the-secret-of-bob');
  for (const value of [
    0,
    -0,
    -1,
    -0.5,
    0.25,
    1e-9,
    86_401,
    1e300,
    [0],
    {},
    '0',
    '+0',
    '-0',
    '0s',
    '0h0m',
    '-1s',
    '-1m',
    '1ms',
    '999ms',
    '500us',
    '500µs',
    '500μs',
    '9ns',
    '.5s',
    '-.5h',
    '25h',
    '24h1s',
    // Ollama refuses these. Servers that imitate it may not.
    '-1',
    '00',
    ' 0',
  ]) {
    test(`${JSON.stringify(value)} is ignored`, () => {
      assert.equal(ignoresKeepAlive(value, { key, rule: undefined }), true);
    });
  }
  test('a text of more than 256 characters is ignored, and not read', () => {
    for (const text of [`${'1'.repeat(500_000)}x`, `${'1s'.repeat(250_000)}x`, '1s'.repeat(129)]) {
      assert.equal(ignoresKeepAlive(text, { key, rule: undefined }), true);
    }
  });
  // Ollama refuses the last ones with an error that says more.
  for (const value of [
    undefined,
    null,
    1,
    300,
    86_400,
    '1s',
    '5m',
    '10m30s',
    '24h',
    '1000ms',
    '1.5h',
    'abc',
    '5',
    '1d',
    '',
  ]) {
    test(`${JSON.stringify(value)} is left as it is`, () => {
      assert.equal(ignoresKeepAlive(value, { key, rule: undefined }), false);
    });
  }
});

const answer: Answer = (res, request) => {
  if (request.url === '/api/embed') return sendJson(res, 200, { model: 'm', embeddings: [[1]], prompt_eval_count: 1 });
  if (request.url === '/api/embeddings') return sendJson(res, 200, { embedding: [1] });
  return plainAnswer()(res, request);
};

const messages = [{ role: 'user', content: 'hi' }];

const routes: readonly [path: string, body: object][] = [
  ['/api/chat', { messages }],
  ['/api/chat', { messages: [] }],
  ['/api/generate', { prompt: 'hi' }],
  ['/api/generate', {}],
  ['/api/embed', { input: 'hi' }],
  ['/api/embeddings', { prompt: 'hi' }],
  ['/v1/chat/completions', { messages }],
  ['/v1/chat/completions', { messages, stream: true }],
  ['/v1/chat/completions', { messages, n: 2 }],
  ['/v1/completions', { prompt: 'hi' }],
  ['/v1/embeddings', { input: 'hi' }],
  ['/v1/responses', { input: 'hi' }],
  ['/v1/messages', { messages, max_tokens: 9 }],
];

/** @returns the answer's status and dropped fields, and what reached the server as `keep_alive` in any spelling */
async function post(
  gateway: TestGateway,
  upstream: FakeUpstream,
  path: string,
  body: string,
  headers: Record<string, string> = asBob,
): Promise<{ status: number; dropped: string | null; sent: unknown[] }> {
  const before = upstream.requests.length;
  const response = await gateway.fetch(path, { method: 'POST', body, headers });
  await response.text();
  const sent = upstream.requests.slice(before).flatMap((request) => {
    if (request.body === '') return [];
    const fields = Object.entries(JSON.parse(request.body) as object) as [string, unknown][];
    return fields.filter(([field]) => field.toLowerCase() === 'keep_alive').map(([, value]) => value);
  });
  return { status: response.status, dropped: response.headers.get('x-llamaduct-dropped'), sent };
}

for (const [path, body] of routes) {
  const name = `${path} ${JSON.stringify(body)}`;
  test(`${name}: keep_alive 0 and -1 of an inference key are ignored and named`, async () => {
    await using upstream = await fakeUpstream(answer);
    await using gateway = await testGateway(upstream, { keys: [tester, bob] });
    for (const value of [0, -1]) {
      const text = JSON.stringify({ model: 'scripted-plain', ...body, keep_alive: value });
      const { status, dropped, sent } = await post(gateway, upstream, path, text);
      assert.deepEqual([status, dropped, sent], [200, 'keep_alive', []]);
    }
    assert.equal(await gateway.metric('llamaduct_translation_lossy_total{field="keep_alive"}'), 2);
    const usual = JSON.stringify({ model: 'scripted-plain', ...body, keep_alive: '10m' });
    const { dropped, sent } = await post(gateway, upstream, path, usual);
    assert.deepEqual([dropped, new Set(sent)], [null, new Set(['10m'])]);
  });

  test(`${name}: keep_alive 0 is sent for a key with the admin scope, and if a rule allows it`, async () => {
    await using upstream = await fakeUpstream(answer);
    const text = JSON.stringify({ model: 'scripted-plain', ...body, keep_alive: 0 });
    await using strict = await testGateway(upstream, { keys: [tester, bob], strict: true });
    const byAdmin = await post(strict, upstream, path, text, {});
    assert.deepEqual([byAdmin.status, byAdmin.dropped, new Set(byAdmin.sent)], [200, null, new Set([0])]);
    assert.equal((await post(strict, upstream, path, text)).status, 400);
    await using ruled = await testGateway(upstream, {
      keys: [tester, bob],
      models: [{ match: 'scripted*', any_keep_alive: true }],
    });
    const allowed = await post(ruled, upstream, path, text);
    assert.deepEqual([allowed.status, allowed.dropped, new Set(allowed.sent)], [200, null, new Set([0])]);
  });
}

test("the operator's own keep_alive replaces that of a request, whatever it is", async () => {
  await using upstream = await fakeUpstream(answer);
  await using gateway = await testGateway(upstream, {
    keys: [tester, bob],
    models: [{ match: 'scripted*', keep_alive: -1 }],
  });
  for (const path of ['/api/chat', '/v1/chat/completions']) {
    const { dropped, sent } = await post(
      gateway,
      upstream,
      path,
      JSON.stringify({ model: 'scripted-plain', messages, keep_alive: 0 }),
    );
    assert.deepEqual([dropped, sent], [null, [-1]]);
  }
});

for (const [name, fields, status] of [
  ['another spelling', '"Keep_Alive": 0', 200],
  ['the Kelvin sign', '"\u212Aeep_alive": 0', 200],
  ['an escape', '"keep\\u005falive": 0', 200],
  ['a second spelling', '"keep_alive": "5m", "KEEP_ALIVE": 0', 200],
  ['a repeated field', '"keep_alive": 0, "keep_alive": null', 400],
] as const) {
  test(`${name} does not get a keep_alive of 0 to the server`, async () => {
    await using upstream = await fakeUpstream(answer);
    await using gateway = await testGateway(upstream, { keys: [tester, bob] });
    const text = `{"model": "scripted-plain", "messages": ${JSON.stringify(messages)}, ${fields}}`;
    const result = await post(gateway, upstream, '/api/chat', text);
    assert.deepEqual([result.status, result.sent], [status, []]);
  });
}

test('numbers keep their digits when keep_alive is taken out of a native request', async () => {
  await using upstream = await fakeUpstream(answer);
  await using gateway = await testGateway(upstream, { keys: [tester, bob] });
  const text = `{"model": "scripted-plain", "messages": [], "keep_alive": 0, "options": {"seed": 9007199254740993}}`;
  await post(gateway, upstream, '/api/chat', text);
  assert.match(upstream.requests.at(-1)?.body ?? '', /"seed":9007199254740993/);
});
