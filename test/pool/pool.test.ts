import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { Upstreams } from '../../src/config/schema.ts';
import { Exchange } from '../../src/exchange/exchange.ts';
import { UpstreamPool } from '../../src/pool/pool.ts';
import type { Upstream } from '../../src/pool/upstream.ts';
import { Health } from '../../src/pool/health.ts';
import type { BackendKind } from '../../src/upstreams/index.ts';
import { testGateway } from '../helpers/gateway.ts';
import { openaiUpstream, saying } from '../helpers/openai-upstream.ts';
import { fakeUpstream, plainAnswer } from '../helpers/upstream.ts';
import { until } from '../helpers/wait.ts';
import { asked, boxes, failing, nowhere, quick, said } from './boxes.ts';
import { heldUpstream } from './held-upstream.ts';

suite('models of several upstreams', () => {
  test('are listed together, and asked for where they are', async () => {
    await using one = await fakeUpstream(plainAnswer(), ['alpha:latest', 'both:latest']);
    await using two = await fakeUpstream(plainAnswer(), ['beta:latest', 'both:latest']);
    await using gateway = await testGateway(boxes([one, two]), quick);
    const { data } = (await (await gateway.fetch('/v1/models')).json()) as { data: { id: string }[] };
    assert.deepEqual(data.map(({ id }) => id).toSorted(), ['alpha:latest', 'beta:latest', 'both:latest']);
    for (const [model, upstream, other] of [
      ['alpha', one, two],
      ['beta', two, one],
    ] as const) {
      const before = [asked(upstream), asked(other)];
      await said(gateway, 'hi', { model });
      await (
        await gateway.fetch('/api/chat', { method: 'POST', body: JSON.stringify({ model, messages: [] }) })
      ).text();
      assert.deepEqual([asked(upstream), asked(other)], [(before[0] ?? 0) + 2, before[1]], model);
    }
    const { models } = (await (await gateway.fetch('/api/tags')).json()) as { models: { name: string }[] };
    assert.deepEqual(models.map(({ name }) => name).toSorted(), ['alpha:latest', 'beta:latest', 'both:latest']);
  });

  test('are there of one upstream while another does not answer', async () => {
    await using one = await fakeUpstream(plainAnswer(), ['alpha:latest']);
    await using gateway = await testGateway(boxes([await nowhere(), one]), quick);
    const { data } = (await (await gateway.fetch('/v1/models')).json()) as { data: { id: string }[] };
    assert.deepEqual(
      data.map(({ id }) => id),
      ['alpha:latest'],
    );
    assert.equal((await gateway.fetch('/readyz')).status, 200);
  });

  test('are asked for in the dialect of the upstream that has them', async () => {
    await using ollama = await fakeUpstream(plainAnswer(), ['alpha:latest']);
    await using vllm = await openaiUpstream(saying('hello'), ['beta']);
    const upstreams: Upstreams = [
      { name: 'ollama', kind: 'ollama', url: ollama.url },
      { name: 'vllm', kind: 'openai', url: vllm.url },
    ];
    await using gateway = await testGateway(upstreams, quick);
    for (const model of ['alpha', 'beta']) {
      await said(gateway, 'hi', { model, stream: true });
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
  test('is the same for all of a conversation, and not for all conversations', async () => {
    await using one = await fakeUpstream(plainAnswer());
    await using two = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(boxes([one, two]), quick);
    const homes = new Set<number>();
    for (let conversation = 0; conversation < 12; conversation += 1) {
      const messages = [{ role: 'user', content: `conversation ${conversation}` }];
      const before = asked(one);
      for (let turn = 0; turn < 3; turn += 1) {
        await (await gateway.chat({ messages })).text();
        messages.push({ role: 'assistant', content: 'yes' }, { role: 'user', content: `turn ${turn}` });
      }
      const here = asked(one) - before;
      assert.ok(here === 0 || here === 3, `conversation ${conversation}: ${here} of 3`);
      homes.add(here);
    }
    assert.equal(homes.size, 2);
  });

  test('is an idle one rather than a busy one', async () => {
    await using one = await heldUpstream();
    await using two = await heldUpstream();
    one.loaded = two.loaded = ['scripted-plain:latest'];
    await using gateway = await testGateway(boxes([one, two], { parallel: 1 }), quick);
    await until('both to be looked at', () => [one, two].every(({ requests }) => requests.length > 0));
    const both = ['a', 'b'].map(async () => await said(gateway, 'the same conversation'));
    await until('both to be asked', () => one.held === 1 && two.held === 1);
    one.flow();
    two.flow();
    await Promise.all(both);
  });

  test('is named by an operator, where what is asked is not about a model', async () => {
    await using one = await fakeUpstream(failing(404));
    await using two = await fakeUpstream((res) => {
      res.writeHead(200, { 'content-type': 'application/json' }).end('{"status":"success"}');
    });
    await using gateway = await testGateway(boxes([one, two]), quick);
    const pull = async (headers: Record<string, string>): Promise<number> => {
      const response = await gateway.fetch('/api/pull', { method: 'POST', headers, body: '{"model":"alpha"}' });
      await response.text();
      return response.status;
    };
    assert.equal(await pull({}), 400);
    assert.equal(await pull({ 'x-llamaduct-upstream': 'second' }), 200);
    assert.equal(await pull({ 'x-llamaduct-upstream': 'nobody' }), 400);
    assert.deepEqual([asked(one), asked(two)], [0, 1]);
  });
});

test('a model that moved to another kind of upstream since a request was planned is still asked for', async () => {
  const listing = (name: string, kind: BackendKind, models: readonly string[]): Upstream =>
    ({
      name,
      kind,
      weight: 1,
      catalog: { has: (model: string) => models.includes(model), retryInMs: 0, failedLastTime: false },
      health: new Health({ failures: 1, interval: 0, onChange: () => undefined }),
    }) as unknown as Upstream;
  const upstreams = [listing('ollama', 'ollama', []), listing('vllm', 'openai', ['moved'])] as const;
  const fleet = new UpstreamPool(upstreams, { attempts: 1, base: 1, cap: 1, share: 0, onRetry: () => undefined });
  const exchange = new Exchange('POST', undefined, {
    chunkGaps: () => ({ observe: () => undefined }),
    ended: () => undefined,
  });
  const wanted = { model: 'moved', kind: 'ollama', conversation: () => undefined } as const;
  assert.equal(await fleet.send(exchange, wanted, async ({ name }) => await Promise.resolve(name)), 'ollama');
});
