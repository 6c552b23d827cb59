import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { type TestGateway, testGateway } from '../helpers/gateway.ts';
import { heldUpstream } from '../helpers/held-upstream.ts';
import { ndjson } from '../helpers/ollama-answers.ts';
import { chunk, stream, usageChunk } from '../helpers/openai-answers.ts';
import { fakeUpstream, openaiUpstream } from '../helpers/upstream.ts';
import { until } from '../helpers/wait.ts';

async function countTokens(gateway: TestGateway, content: string): Promise<unknown> {
  const body = JSON.stringify({ model: 'scripted', messages: [{ role: 'user', content }] });
  return await (await gateway.fetch('/v1/messages/count_tokens', { method: 'POST', body })).json();
}

suite('/v1/messages/count_tokens', () => {
  test('estimates the tokens when the upstream reports no usage', async () => {
    await using upstream = await openaiUpstream(stream([chunk({ content: 'x' }, 'length')]));
    await using gateway = await testGateway(upstream, { upstream: { kind: 'openai' } });
    assert.deepEqual(await countTokens(gateway, 'x'.repeat(400)), { input_tokens: 100 });
  });

  test('generates one token, although a model rule pins num_predict', async () => {
    await using upstream = await openaiUpstream(stream([chunk({ content: 'x' }, 'length'), usageChunk(7, 1)]));
    await using gateway = await testGateway(upstream, {
      upstream: { kind: 'openai' },
      models: [{ match: '*', pin: { num_predict: 500 } }],
    });
    assert.deepEqual(await countTokens(gateway, 'hi'), { input_tokens: 7 });
    assert.equal((JSON.parse(upstream.requests[0]?.body ?? '{}') as { max_tokens: number }).max_tokens, 1);
  });

  test('asks the server once, and from then on counts by what its prompts had', async () => {
    await using upstream = await openaiUpstream(stream([chunk({ content: 'x' }, 'length'), usageChunk(150, 1)]));
    await using gateway = await testGateway(upstream, { upstream: { kind: 'openai' } });
    assert.deepEqual(await countTokens(gateway, 'x'.repeat(400)), { input_tokens: 150 });
    assert.deepEqual(await countTokens(gateway, 'x'.repeat(800)), { input_tokens: 300 });
    assert.equal(upstream.requests.length, 1);
  });

  test('estimates when an Ollama reports no count', async () => {
    await using upstream = await fakeUpstream((res) => {
      ndjson(res);
      const message = { role: 'assistant', content: 'a' };
      res.end(`${JSON.stringify({ model: 'scripted', message, done: true, done_reason: 'length' })}\n`);
    });
    await using gateway = await testGateway(upstream);
    const body = JSON.stringify({ model: 'scripted', messages: [{ role: 'user', content: 'x'.repeat(400) }] });
    const response = await gateway.fetch('/v1/messages/count_tokens', { method: 'POST', body });
    assert.equal(response.headers.get('x-llamaduct-estimated'), 'true');
    assert.deepEqual(await response.json(), { input_tokens: 100 });
  });

  test('starts one generation for 20 counts when the client of the first one leaves', async () => {
    await using upstream = await heldUpstream();
    await using gateway = await testGateway(upstream);
    const count = async (content: string, init?: RequestInit): Promise<Response> => {
      const body = JSON.stringify({ model: 'scripted-plain', messages: [{ role: 'user', content }] });
      return await gateway.fetch('/v1/messages/count_tokens', { method: 'POST', body, ...init });
    };
    const leaving = new AbortController();
    const first = count('first', { signal: leaving.signal });
    await until('the first to be counted', () => upstream.held === 1);
    const others = Array.from({ length: 20 }, async (_, index) => await count('x '.repeat(index + 1)));
    const inFlight = 'llamaduct_key_in_flight{key="tester"}';
    await until('the others to wait', async () => (await gateway.metric(inFlight)) === 21);
    leaving.abort();
    await assert.rejects(first);
    await until('the next to be counted', () => upstream.order.length === 2 && upstream.held === 1);
    upstream.flow();
    for (const response of await Promise.all(others)) assert.equal(response.status, 200);
    assert.equal(upstream.order.length, 2);
  });

  test('asks the server for each exact count', async () => {
    await using upstream = await openaiUpstream(stream([chunk({ content: 'x' }, 'length'), usageChunk(7, 1)]));
    await using gateway = await testGateway(upstream, { upstream: { kind: 'openai' } });
    const body = JSON.stringify({ model: 'scripted', messages: [{ role: 'user', content: 'hi' }] });
    const count = async (headers: Record<string, string>): Promise<string | null> => {
      const response = await gateway.fetch('/v1/messages/count_tokens', { method: 'POST', body, headers });
      await response.text();
      return response.headers.get('x-llamaduct-estimated');
    };
    const exact = { 'x-llamaduct-exact': 'true' };
    assert.deepEqual([await count(exact), await count(exact), await count({})], [null, null, 'true']);
    assert.equal(upstream.requests.length, 2);
  });

  const media = {
    'an image': { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'iVBORw0KGgo=' } },
    'a recording': { type: 'input_audio', input_audio: { data: 'UklGRg==', format: 'wav' } },
  };
  for (const [name, part] of Object.entries(media)) {
    test(`asks the server once about a prompt with ${name}, and estimates the text around it`, async () => {
      await using upstream = await openaiUpstream(stream([chunk({ content: 'x' }, 'length'), usageChunk(107, 1)]));
      await using gateway = await testGateway(upstream, { upstream: { kind: 'openai' } });
      const count = async (...content: object[]): Promise<unknown> => {
        const body = JSON.stringify({ model: 'scripted', messages: [{ role: 'user', content }] });
        return await (await gateway.fetch('/v1/messages/count_tokens', { method: 'POST', body })).json();
      };
      assert.deepEqual(await count(part), { input_tokens: 107 });
      assert.deepEqual(await count(part), { input_tokens: 107 });
      assert.deepEqual(await count(part, { type: 'text', text: 'x'.repeat(400) }), { input_tokens: 207 });
      assert.equal(upstream.requests.length, 1);
      await count(part, part);
      assert.equal(upstream.requests.length, 2);
    });
  }

  test('starts one generation for 15 counts at once of a model that nobody knows yet', async () => {
    const answer = Promise.withResolvers<void>();
    const says = stream([chunk({ content: 'x' }, 'length'), usageChunk(200, 1)]);
    await using upstream = await openaiUpstream(async (res, request) => {
      await answer.promise;
      await says(res, request);
    });
    await using gateway = await testGateway(upstream, { upstream: { kind: 'openai' } });
    const counts = Array.from(
      { length: 15 },
      async (_, index) => await countTokens(gateway, 'x'.repeat(400 + index * 4)),
    );
    await until('the first count', () => upstream.requests.length > 0);
    answer.resolve();
    const tokens = (await Promise.all(counts)).map((count) => (count as { input_tokens: number }).input_tokens);
    assert.equal(upstream.requests.length, 1);
    assert.ok(
      tokens.every((count) => count >= 195 && count <= 230),
      String(tokens),
    );
  });

  test('counts one after the other when the first count fails', async () => {
    const answer = Promise.withResolvers<void>();
    const says = stream([chunk({ content: 'x' }, 'length'), usageChunk(200, 1)]);
    let asked = 0;
    await using upstream = await openaiUpstream(async (res, request) => {
      asked += 1;
      const isFirst = asked === 1;
      await answer.promise;
      if (isFirst) res.destroy();
      else await says(res, request);
    });
    await using gateway = await testGateway(upstream, { upstream: { kind: 'openai' } });
    const counts = Array.from({ length: 5 }, async () => await countTokens(gateway, 'x'.repeat(400)));
    await until('the first count', () => upstream.requests.length > 0);
    answer.resolve();
    const answers = await Promise.all(counts);
    assert.equal(answers.filter((count) => 'error' in (count as object)).length, 1);
    assert.equal(answers.filter((count) => (count as { input_tokens?: number }).input_tokens === 200).length, 4);
  });

  test('a client that leaves does not wait for the first count of another', async () => {
    const answer = Promise.withResolvers<void>();
    const says = stream([chunk({ content: 'x' }, 'length'), usageChunk(200, 1)]);
    await using upstream = await openaiUpstream(async (res, request) => {
      await answer.promise;
      await says(res, request);
    });
    await using gateway = await testGateway(upstream, { upstream: { kind: 'openai' } });
    const first = countTokens(gateway, 'hi');
    await until('the first count', () => upstream.requests.length > 0);
    const leaving = new AbortController();
    const body = JSON.stringify({ model: 'scripted', messages: [{ role: 'user', content: 'hi' }] });
    const left = gateway.fetch('/v1/messages/count_tokens', { method: 'POST', body, signal: leaving.signal });
    await until('both counts', async () => (await gateway.metric('llamaduct_in_flight')) >= 3);
    leaving.abort();
    await assert.rejects(left, { name: 'AbortError' });
    answer.resolve();
    assert.deepEqual(await first, { input_tokens: 200 });
    assert.equal(upstream.requests.length, 1);
  });

  for (const [path, input] of [
    ['/v1/messages/count_tokens', 'messages'],
    ['/v1/responses/input_tokens', 'input'],
  ] as const) {
    test(`${path} estimates after the first count, and asks the server on request`, async () => {
      await using upstream = await openaiUpstream(stream([chunk({ content: 'x' }, 'length'), usageChunk(200, 1)]));
      await using gateway = await testGateway(upstream, { upstream: { kind: 'openai' } });
      const body = JSON.stringify({ model: 'scripted', [input]: [{ role: 'user', content: 'x'.repeat(400) }] });
      const count = async (headers = {}): Promise<unknown> => {
        const response = await gateway.fetch(path, { method: 'POST', body, headers });
        const { input_tokens: tokens } = (await response.json()) as { input_tokens: number };
        return [tokens, response.headers.get('x-llamaduct-estimated')];
      };
      assert.deepEqual(await count(), [200, null]);
      assert.deepEqual(await count(), [200, 'true']);
      assert.deepEqual(await count({ 'x-llamaduct-exact': 'true' }), [200, null]);
      assert.equal(upstream.requests.length, 2);
    });
  }
});
