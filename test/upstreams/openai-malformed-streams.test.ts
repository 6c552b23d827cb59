import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { type TestGateway, testGateway } from '../helpers/gateway.ts';
import { chunk, stream } from '../helpers/openai-answers.ts';
import { type FakeUpstream, openaiUpstream } from '../helpers/upstream.ts';

const messages = [{ role: 'user', content: 'hi' }];

async function gatewayOf(upstream: FakeUpstream): Promise<TestGateway> {
  return await testGateway(upstream, { upstream: { kind: 'openai' } });
}

async function post(gateway: TestGateway, path: string, body: object): Promise<Response> {
  return await gateway.fetch(path, { method: 'POST', body: JSON.stringify({ model: 'scripted', ...body }) });
}

suite('a malformed stream of an OpenAI-compatible server', () => {
  for (const calls of [[null], {}, 'x']) {
    test(`is a 502 in every API: tool_calls of ${JSON.stringify(calls)}`, async () => {
      await using upstream = await openaiUpstream(stream([chunk({ tool_calls: calls })]));
      await using gateway = await gatewayOf(upstream);
      for (const path of ['/v1/responses', '/v1/messages', '/api/chat']) {
        assert.equal((await post(gateway, path, { max_tokens: 5, input: 'hi', messages })).status, 502, path);
      }
    });
  }

  test('is answered without its log probabilities when only these are malformed', async () => {
    const choice = { index: 0, delta: { content: 'a' }, logprobs: { content: {} }, finish_reason: 'stop' };
    await using upstream = await openaiUpstream(stream([{ choices: [choice] }]));
    await using gateway = await gatewayOf(upstream);
    assert.equal((await post(gateway, '/v1/messages', { max_tokens: 5, messages })).status, 200);
  });
});

suite('an error in the stream of an OpenAI-compatible server', () => {
  for (const error of [
    { message: 'Incorrect API key provided: sk-proj-1234', type: 'invalid_request_error', code: 'invalid_api_key' },
    { message: 'No credits for sk-proj-1234', code: 402 },
    { message: 'sk-proj-1234 is wrong', type: 'authentication_error' },
  ]) {
    test(`is a 502 without its text when it is about the upstream key: ${error.message}`, async () => {
      await using upstream = await openaiUpstream(stream([{ error }]));
      await using gateway = await gatewayOf(upstream);
      const response = await post(gateway, '/v1/messages', { max_tokens: 5, messages });
      assert.equal(response.status, 502);
      assert.doesNotMatch(await response.text(), /1234/);
    });
  }

  test('becomes response.failed with the code context_length_exceeded, which agents recognise', async () => {
    const error = { message: 'too long', code: 'context_length_exceeded' };
    await using upstream = await openaiUpstream(stream([chunk({ content: 'x' }), { error }]));
    await using gateway = await gatewayOf(upstream);
    const text = await (await post(gateway, '/v1/responses', { stream: true, input: 'hi' })).text();
    const failed = /event: response\.failed\ndata: (.*)/.exec(text)?.[1] ?? '{}';
    const { response } = JSON.parse(failed) as { response: { error: { code: string } } };
    assert.equal(response.error.code, 'context_length_exceeded');
  });
});
