import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { type TestGateway, testGateway } from '../helpers/gateway.ts';
import { chunk, stream, usageChunk } from '../helpers/openai-answers.ts';
import { openaiUpstream } from '../helpers/upstream.ts';

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
    test(`does not estimate a prompt with ${name}`, async () => {
      await using upstream = await openaiUpstream(stream([chunk({ content: 'x' }, 'length'), usageChunk(7, 1)]));
      await using gateway = await testGateway(upstream, { upstream: { kind: 'openai' } });
      const body = JSON.stringify({ model: 'scripted', messages: [{ role: 'user', content: [part] }] });
      for (let request = 0; request < 2; request += 1) {
        const response = await gateway.fetch('/v1/messages/count_tokens', { method: 'POST', body });
        assert.deepEqual(await response.json(), { input_tokens: 7 });
      }
      assert.equal(upstream.requests.length, 2);
    });
  }
});
