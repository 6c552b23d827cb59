import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { type Config, configSchema } from '../src/config/schema.ts';
import { hashSecret } from '../src/config/secret.ts';
import { type TestGateway, secret, testGateway } from './helpers/gateway.ts';
import { type HeldUpstream, heldUpstream } from './helpers/held-upstream.ts';
import { chatLine, ndjson, plainAnswer } from './helpers/ollama-answers.ts';
import { fakeUpstream } from './helpers/upstream.ts';
import { until } from './helpers/wait.ts';

const tester = { name: 'tester', hash: hashSecret(secret), scopes: ['inference', 'admin', 'metrics'] };
const bob = { name: 'bob', hash: hashSecret('the-secret-of-bob') };
const asBob = { headers: { authorization: 'Bearer the-secret-of-bob' } };
const asNobody = { headers: { authorization: '' } };

function configOf({ url }: { readonly url: string }, settings: object): Config {
  const { upstreams: _, ...file } = configSchema.parse({ listen: '127.0.0.1:0', keys: [tester], ...settings });
  return { ...file, upstreams: [{ name: 'ollama', kind: 'ollama', url, parallel: 1 }] };
}

interface Waiting {
  readonly gateway: TestGateway;
  readonly upstream: HeldUpstream;
  readonly answers: readonly Promise<Response>[];
}

/** Starts a gateway whose only slot is taken, and lets requests wait for it in several APIs. */
async function waiting(before: object, init: RequestInit, body: object = {}): Promise<Waiting> {
  const upstream = await heldUpstream();
  const gateway = await testGateway(upstream, { upstream: { parallel: 1 }, keys: [tester, bob], ...before });
  void gateway.chat().then(async (response) => await response.text());
  await until('the slot to be taken', () => upstream.held === 1);
  const post = async (path: string, more: object): Promise<Response> =>
    await gateway.fetch(path, {
      method: 'POST',
      body: JSON.stringify({ model: 'scripted-plain', ...more, ...body }),
      ...init,
    });
  const messages = [{ role: 'user', content: 'waits' }];
  const answers = [
    post('/v1/chat/completions', { messages }),
    post('/v1/chat/completions', { messages, stream: true }),
    post('/v1/chat/completions', { messages, n: 2 }),
    post('/v1/messages', { messages, max_tokens: 9, stream: true }),
    post('/v1/responses', { input: 'waits', stream: true }),
    post('/v1/embeddings', { input: 'waits' }),
    post('/api/chat', { messages }),
    post('/api/generate', { prompt: 'waits', stream: false }),
  ];
  await until('all to wait', async () => (await gateway.metric('llamaduct_queue_depth{upstream="ollama"}')) === 9);
  return { gateway, upstream, answers };
}

suite('a reload refuses what waits', () => {
  const cases: readonly [name: string, after: object, status: number, before?: object, init?: RequestInit][] = [
    ['of a key that is removed', {}, 401],
    ['of a secret that is replaced', { keys: [tester, { ...bob, hash: hashSecret('another-secret') }] }, 401],
    ['of a key that is expired', { keys: [tester, { ...bob, expires: '2020-01-01' }] }, 401],
    ['of a key without the inference scope', { keys: [tester, { ...bob, scopes: ['metrics'] }] }, 403],
    ['for a model that the key may not use any more', { keys: [tester, { ...bob, models: ['other*'] }] }, 403],
    [
      'from an address that the key may not be used from any more',
      { keys: [tester, { ...bob, addresses: ['192.0.2.1'] }] },
      403,
    ],
    ['without a key, once access is not open any more', {}, 401, { access: 'open' }, asNobody],
  ];
  for (const [name, after, status, before = {}, init = asBob] of cases) {
    test(name, async () => {
      const { gateway, upstream, answers } = await waiting(before, init);
      await gateway.reload(async () => await Promise.resolve(configOf(upstream, after)));
      for (const answer of answers) assert.equal((await answer).status, status);
      upstream.flow();
      await gateway.close();
      assert.equal(upstream.order.length, 1);
      const line = gateway.log.findLast(({ msg }) => msg === 'configuration reloaded');
      assert.equal(line?.['cancelled_requests'], answers.length);
      await upstream[Symbol.asyncDispose]();
    });
  }
});

test('a reload leaves what waits alone if its key, alias and model stay', async () => {
  const keys = [tester, { ...bob, models: ['fast'] }];
  const { gateway, upstream, answers } = await waiting({ keys, aliases: { fast: 'scripted-plain' } }, asBob, {
    model: 'fast',
  });
  const retiring = [{ hash: bob.hash, until: '2999-01-01T00:00:00Z' }];
  await gateway.reload(
    async () =>
      await Promise.resolve(
        configOf(upstream, {
          keys: [tester, { ...bob, models: ['fast'], hash: hashSecret('another-secret'), retiring }],
        }),
      ),
  );
  upstream.flow();
  for (const answer of answers) assert.equal((await answer).status, 200);
  await gateway.close();
  await upstream[Symbol.asyncDispose]();
});

test('a request whose key expires while it waits is refused', async () => {
  const expires = new Date(Date.now() + 1500).toISOString();
  const { gateway, upstream, answers } = await waiting({ keys: [tester, { ...bob, expires }] }, asBob);
  await until('the key to expire', () => Date.now() > Date.parse(expires));
  upstream.flow();
  for (const answer of answers) assert.equal((await answer).status, 401);
  assert.equal(upstream.order.length, 1);
  await gateway.close();
  await upstream[Symbol.asyncDispose]();
});

test('with `on_revoke: cancel` a running stream ends with an error in its format', async () => {
  await using upstream = await fakeUpstream((res) => void ndjson(res).write(chatLine('Hello')));
  await using gateway = await testGateway(upstream, { keys: [tester, bob] });
  const response = await gateway.chat({ stream: true }, asBob);
  assert.equal(response.status, 200);
  const { upstreams, ...config } = configOf(upstream, { on_revoke: 'cancel' });
  const [{ parallel: _, ...one }] = upstreams;
  await gateway.reload(async () => await Promise.resolve({ ...config, upstreams: [one] }));
  const text = await response.text();
  assert.match(text, /Hello[^]*invalid_api_key/);
  assert.doesNotMatch(text, /\[DONE\]/);
});

test('a request whose key expires before its body has arrived is refused', async () => {
  await using upstream = await fakeUpstream(plainAnswer());
  const expires = new Date(Date.now() + 2000).toISOString();
  await using gateway = await testGateway(upstream, { keys: [tester, { ...bob, expires }] });
  const sent = ['/v1/chat/completions', '/api/chat'].map((path) => {
    const body = new TransformStream<Uint8Array, Uint8Array>();
    const init = { method: 'POST', body: body.readable, duplex: 'half', ...asBob } as const;
    return { response: gateway.fetch(path, init), writer: body.writable.getWriter() };
  });
  for (const { writer } of sent) await writer.write(Buffer.from('{"model":"scripted-plain",'));
  await until('both to be under way', async () => (await gateway.metric('llamaduct_in_flight')) === 3);
  await until('the key to expire', () => Date.now() > Date.parse(expires));
  for (const { response, writer } of sent) {
    await writer.write(Buffer.from('"messages":[{"role":"user","content":"hi"}]}'));
    await writer.close();
    assert.equal((await response).status, 401);
  }
  assert.deepEqual(upstream.requests, []);
});
