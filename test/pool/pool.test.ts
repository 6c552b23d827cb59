import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { Upstreams } from '../../src/config/schema.ts';
import { Exchange } from '../../src/exchange/exchange.ts';
import { UpstreamPool } from '../../src/pool/pool.ts';
import type { Upstream } from '../../src/pool/upstream.ts';
import { Health } from '../../src/pool/health.ts';
import type { BackendKind } from '../../src/upstreams/index.ts';
import { testGateway } from '../helpers/gateway.ts';
import { heldUpstream } from '../helpers/held-upstream.ts';
import { failing, plainAnswer } from '../helpers/ollama-answers.ts';
import { saying } from '../helpers/openai-answers.ts';
import { fakeUpstream, openaiUpstream, stoppedUpstream } from '../helpers/upstream.ts';
import { until } from '../helpers/wait.ts';
import { chatText, fastRetries, postsTo, upstreamsAt } from './upstreams.ts';

suite('the models of several upstreams', () => {
  test('are listed together, and their requests go to the upstream that has them', async () => {
    await using first = await fakeUpstream(plainAnswer(), ['alpha:latest', 'both:latest']);
    await using second = await fakeUpstream(plainAnswer(), ['beta:latest', 'both:latest']);
    await using gateway = await testGateway(upstreamsAt([first, second]), fastRetries);
    const { data } = (await (await gateway.fetch('/v1/models')).json()) as { data: { id: string }[] };
    assert.deepEqual(data.map(({ id }) => id).toSorted(), ['alpha:latest', 'beta:latest', 'both:latest']);
    for (const [model, upstream, other] of [
      ['alpha', first, second],
      ['beta', second, first],
    ] as const) {
      const before = [postsTo(upstream), postsTo(other)];
      await chatText(gateway, 'hi', { model });
      await (
        await gateway.fetch('/api/chat', { method: 'POST', body: JSON.stringify({ model, messages: [] }) })
      ).text();
      assert.deepEqual([postsTo(upstream), postsTo(other)], [(before[0] ?? 0) + 2, before[1]], model);
    }
    const { models } = (await (await gateway.fetch('/api/tags')).json()) as { models: { name: string }[] };
    assert.deepEqual(models.map(({ name }) => name).toSorted(), ['alpha:latest', 'beta:latest', 'both:latest']);
  });

  test('are listed without those of an unreachable upstream', async () => {
    await using first = await fakeUpstream(plainAnswer(), ['alpha:latest']);
    await using gateway = await testGateway(upstreamsAt([await stoppedUpstream(), first]), fastRetries);
    const { data } = (await (await gateway.fetch('/v1/models')).json()) as { data: { id: string }[] };
    assert.deepEqual(
      data.map(({ id }) => id),
      ['alpha:latest'],
    );
    assert.equal((await gateway.fetch('/readyz')).status, 200);
  });

  test('are requested in the API of the upstream that has them', async () => {
    await using ollama = await fakeUpstream(plainAnswer(), ['alpha:latest']);
    await using vllm = await openaiUpstream(saying('hello'), ['beta']);
    const upstreams: Upstreams = [
      { name: 'ollama', kind: 'ollama', url: ollama.url },
      { name: 'vllm', kind: 'openai', url: vllm.url },
    ];
    await using gateway = await testGateway(upstreams, fastRetries);
    for (const model of ['alpha', 'beta']) {
      await chatText(gateway, 'hi', { model, stream: true });
      const native = await gateway.fetch('/api/chat', {
        method: 'POST',
        body: JSON.stringify({ model, messages: [{ role: 'user', content: 'hi' }] }),
      });
      assert.equal(native.status, 200);
      assert.equal(native.headers.get('content-type'), 'application/x-ndjson');
      await native.text();
    }
    assert.deepEqual(
      ollama.requests.filter(({ method }) => method === 'POST').map(({ url }) => url),
      ['/api/chat', '/api/chat'],
    );
    assert.deepEqual(
      vllm.requests.map(({ url }) => url),
      ['/v1/chat/completions', '/v1/chat/completions'],
    );
  });
});

suite('the upstream of a request', () => {
  test('is the same for all requests of a conversation, but differs between conversations', async () => {
    await using first = await fakeUpstream(plainAnswer());
    await using second = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstreamsAt([first, second]), fastRetries);
    const counts = new Set<number>();
    for (let conversation = 0; conversation < 12; conversation += 1) {
      const messages = [{ role: 'user', content: `conversation ${conversation}` }];
      const before = postsTo(first);
      for (let round = 0; round < 3; round += 1) {
        await (await gateway.chat({ messages })).text();
        messages.push({ role: 'assistant', content: 'yes' }, { role: 'user', content: `question ${round}` });
      }
      const atFirst = postsTo(first) - before;
      assert.ok(atFirst === 0 || atFirst === 3, `conversation ${conversation}: ${atFirst} of 3`);
      counts.add(atFirst);
    }
    assert.equal(counts.size, 2);
  });

  test('is idle rather than busy', async () => {
    await using first = await heldUpstream();
    await using second = await heldUpstream();
    first.loaded = second.loaded = ['scripted-plain:latest'];
    await using gateway = await testGateway(upstreamsAt([first, second], { parallel: 1 }), fastRetries);
    await until('a health check of both', () => [first, second].every(({ requests }) => requests.length > 0));
    const both = ['a', 'b'].map(async () => await chatText(gateway, 'the same conversation'));
    await until('one request at each upstream', () => first.held === 1 && second.held === 1);
    first.flow();
    second.flow();
    await Promise.all(both);
  });

  test('is chosen by the x-llamaduct-upstream header for /api/pull', async () => {
    await using first = await fakeUpstream(failing(404));
    await using second = await fakeUpstream((res) => {
      res.writeHead(200, { 'content-type': 'application/json' }).end('{"status":"success"}');
    });
    await using gateway = await testGateway(upstreamsAt([first, second]), fastRetries);
    const pull = async (headers: Record<string, string>): Promise<number> => {
      const response = await gateway.fetch('/api/pull', { method: 'POST', headers, body: '{"model":"alpha"}' });
      await response.text();
      return response.status;
    };
    assert.equal(await pull({}), 400);
    assert.equal(await pull({ 'x-llamaduct-upstream': 'second' }), 200);
    assert.equal(await pull({ 'x-llamaduct-upstream': 'nobody' }), 400);
    assert.deepEqual([postsTo(first), postsTo(second)], [0, 1]);
  });
});

test('the pool keeps to the kind of upstream that a request was read for when its model has moved to another kind', async () => {
  const listing = (name: string, kind: BackendKind, models: readonly string[]): Upstream =>
    ({
      name,
      kind,
      weight: 1,
      catalog: {
        has: (model: string) => models.includes(model),
        reads: () => true,
        retryInMs: 0,
        failedLastTime: false,
      },
      health: new Health({ failures: 1, interval: 0, onChange: () => undefined }),
    }) as unknown as Upstream;
  const upstreams = [listing('ollama', 'ollama', []), listing('vllm', 'openai', ['moved'])] as const;
  const pool = new UpstreamPool(upstreams, { attempts: 1, base: 1, cap: 1, share: 0, onRetry: () => undefined });
  const exchange = new Exchange('POST', undefined, {
    chunkGaps: () => ({ observe: () => undefined }),
    ended: () => undefined,
    stopped: () => undefined,
  });
  const wanted = { model: 'moved', kind: 'ollama', conversation: () => undefined } as const;
  assert.equal(await pool.send(exchange, wanted, async ({ name }) => await Promise.resolve(name)), 'ollama');
});
