import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { suite, test } from 'node:test';
import { hashSecret } from '../../src/config/secret.ts';
import { type TestGateway, secret, testGateway } from '../helpers/gateway.ts';
import { openaiUpstream, saying } from '../helpers/openai-upstream.ts';
import { chatLine, fakeUpstream, plainAnswer } from '../helpers/upstream.ts';
import { until } from '../helpers/wait.ts';
import { heldUpstream } from './held-upstream.ts';

const admin = { name: 'tester', hash: hashSecret(secret), scopes: ['inference', 'admin', 'metrics'] };
const secretOf = (name: string): string => `${name}-with-a-secret-of-its-own`;
const keyOf = (name: string, more: object = {}): object => ({ name, hash: hashSecret(secretOf(name)), ...more });

function post(
  gateway: TestGateway,
  name: string,
  path: string,
  body: unknown,
  init: RequestInit = {},
): Promise<Response> {
  return gateway.fetch(path, {
    method: 'POST',
    headers: { authorization: `Bearer ${secretOf(name)}` },
    body: typeof body === 'string' ? body : JSON.stringify(body),
    signal: AbortSignal.timeout(10_000),
    ...init,
  });
}

const saidBy = (content: string): object => ({ model: 'scripted-plain', messages: [{ role: 'user', content }] });

suite('max_tokens of a key', () => {
  for (const [given, sent] of [
    [0.5, 3],
    [1.5, 1],
    [2.9, 2],
  ] as const) {
    test(`holds where Ollama cuts off the fraction of a num_predict of ${given}`, async () => {
      await using upstream = await fakeUpstream(plainAnswer());
      await using gateway = await testGateway(upstream, { keys: [admin, keyOf('a', { limits: { max_tokens: 3 } })] });
      for (const path of ['/api/chat', '/v1/chat/completions']) {
        const body = { ...saidBy('hi'), stream: true, options: { num_predict: given } };
        await (await post(gateway, 'a', path, body)).text();
        const { options } = JSON.parse(upstream.requests.at(-1)?.body ?? '') as { options: { num_predict: number } };
        assert.equal(options.num_predict, sent, path);
      }
    });
  }
});

suite('turns', () => {
  test('are given side by side to models of a server that cannot tell what it holds in memory', async () => {
    const { promise: gone, resolve: letGo } = Promise.withResolvers<void>();
    await using upstream = await openaiUpstream(
      async (res, request) => {
        if (request.body.includes('"one"')) await gone;
        await saying('hello')(res, request);
      },
      ['one', 'two'],
    );
    await using gateway = await testGateway(upstream, {
      keys: [admin, keyOf('a'), keyOf('b')],
      upstream: { kind: 'openai', name: 'openai', parallel: 4 },
    });
    const first = post(gateway, 'a', '/v1/chat/completions', { ...saidBy('x'), model: 'one', stream: true });
    await until('the first', () => upstream.requests.length === 1);
    const second = await post(gateway, 'b', '/v1/chat/completions', { ...saidBy('x'), model: 'two', stream: true });
    assert.equal(second.status, 200);
    await second.text();
    letGo();
    await (await first).text();
  });

  test('are not held up by a model that the upstream does not have', async () => {
    await using upstream = await heldUpstream();
    await using gateway = await testGateway(upstream, {
      keys: [admin, keyOf('a'), keyOf('b')],
      upstream: { parallel: 4, models_in_memory: 1 },
    });
    const asked = [
      post(gateway, 'a', '/v1/chat/completions', saidBy('long')),
      post(gateway, 'b', '/v1/chat/completions', { ...saidBy('bogus'), model: 'no-such-model' }),
      post(gateway, 'a', '/v1/chat/completions', saidBy('resident')),
    ];
    await until('all to be at the upstream', () => upstream.held === 3);
    upstream.flow();
    for (const one of asked) await (await one).text();
  });

  test('are as dear for who leaves before the last line', async () => {
    await using upstream = await heldUpstream();
    await using gateway = await testGateway(upstream, {
      keys: [admin, keyOf('a'), keyOf('b')],
      upstream: { parallel: 1 },
    });
    const waiting = async (): Promise<number> => await gateway.metric('llamaduct_queue_depth{upstream="ollama"}');
    const leaving = new AbortController();
    const long = post(gateway, 'a', '/api/chat', saidBy('a long answer'), { signal: leaving.signal });
    await until('it to begin', () => upstream.held === 1);
    const others: Promise<Response>[] = [];
    for (const [name, text] of [
      ['a', 'a once more'],
      ['b', 'b first'],
      ['b', 'b second'],
      ['b', 'b third'],
    ] as const) {
      others.push(post(gateway, name, '/v1/chat/completions', saidBy(text)));
      await until(`${text} to wait`, async () => (await waiting()) === others.length);
    }
    // Far more than was estimated, and never the end.
    upstream.release(async (res) => {
      res.writeHead(200, { 'content-type': 'application/x-ndjson' });
      for (let pieces = 0; pieces < 3_000; pieces += 1) {
        await new Promise<void>((resolve) => {
          res.write(chatLine('x'), () => setImmediate(resolve));
        });
      }
    });
    const reader = (await long).body?.getReader();
    for (let read = 0; read < 2_900 * chatLine('x').length;) read += (await reader?.read())?.value?.length ?? 0;
    leaving.abort();
    upstream.flow();
    for (const one of others) await (await one).text();
    assert.deepEqual(upstream.order.slice(1), ['b first', 'b second', 'b third', 'a once more']);
  });
});

suite('a limit', () => {
  test('is asked before an image is fetched', async () => {
    let fetched = 0;
    const pictures = createServer((_, res) => {
      fetched += 1;
      res.writeHead(200, { 'content-type': 'image/png' }).end(Buffer.from('89504e470d0a1a0a', 'hex'));
    });
    await new Promise<void>((resolve) => {
      pictures.listen(0, '127.0.0.1', resolve);
    });
    try {
      const { port } = pictures.address() as AddressInfo;
      await using upstream = await fakeUpstream(plainAnswer());
      await using gateway = await testGateway(upstream, {
        keys: [admin, keyOf('a', { limits: { requests_per_minute: 1 } })],
        images: { fetch: true, allow: ['127.0.0.0/8'], ports: [port] },
      });
      const content = [{ type: 'image_url', image_url: { url: `http://127.0.0.1:${port}/a.png` } }];
      const statuses: number[] = [];
      for (let count = 0; count < 3; count += 1) {
        const body = { model: 'scripted-plain', messages: [{ role: 'user', content }] };
        statuses.push((await post(gateway, 'a', '/v1/chat/completions', body)).status);
      }
      // The minute of the clock may turn once in between.
      const passed = statuses.filter((status) => status === 200).length;
      assert.ok(passed < 3, statuses.join(' '));
      assert.equal(fetched, passed);
    } finally {
      pictures.close();
    }
  });

  test('holds for a body with something after its end, which Ollama does not read', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream, {
      keys: [admin, keyOf('a', { limits: { tokens_per_minute: 1000 } })],
    });
    const body = `${JSON.stringify(saidBy('long '.repeat(10_000)))} x`;
    assert.equal((await post(gateway, 'a', '/api/chat', body)).status, 400);
    assert.equal(upstream.requests.filter(({ url }) => url === '/api/chat').length, 0);
  });
});

test('what the headers of an early stream could not tell is told in it', async () => {
  const { promise: gone, resolve: letGo } = Promise.withResolvers<void>();
  await using upstream = await fakeUpstream(async (res, request) => {
    if (!request.body.includes('"truncate":true')) {
      res.writeHead(400, { 'content-type': 'application/json' });
      res.end('{"error":"the input length exceeds the context length"}');
      return undefined;
    }
    await gone;
    return await plainAnswer()(res, request);
  });
  await using gateway = await testGateway(upstream, {
    models: [{ match: '*', on_overflow: 'truncate' }],
    timeouts: { silence: '30ms' },
  });
  const response = await gateway.chat({ stream: true });
  assert.equal(response.headers.get('x-llamaduct-truncated'), null);
  letGo();
  const text = await response.text();
  assert.match(text, /^: waiting for the model\n\n(.*\n\n)*: x-llamaduct-truncated: true\n\ndata: /);
});
