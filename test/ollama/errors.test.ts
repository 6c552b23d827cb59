import assert from 'node:assert/strict';
import { test } from 'node:test';
import OpenAI from 'openai';
import { chunksOf, events, liveGateway, sdk, user } from './live.ts';

test('an unknown model is a 404 that the SDK throws', async () => {
  await using gateway = await liveGateway();
  for (const stream of [false, true]) {
    const pending = sdk(gateway).chat.completions.create({ model: 'llama-of-nowhere', messages: [user('hi')], stream });
    await assert.rejects(pending, (error) => {
      assert.ok(error instanceof OpenAI.NotFoundError);
      assert.deepEqual([error.code, error.type, error.param], ['model_not_found', 'invalid_request_error', 'model']);
      assert.match(error.message, /llama-of-nowhere/);
      return true;
    });
  }
});

test('a model that cannot be loaded is an error that the SDK does not retry', async () => {
  await using gateway = await liveGateway();
  const pending = sdk(gateway).chat.completions.create({ model: 'scripted-broken', messages: [user('hi')] });
  await assert.rejects(pending, (error) => {
    assert.ok(error instanceof OpenAI.APIError);
    assert.deepEqual(
      [error.status, error.code, error.headers?.get('x-should-retry')],
      [502, 'model_load_failed', 'false'],
    );
    // It depends on how soon the runner exits.
    assert.match(error.message, /error loading model|model failed to load/);
    return true;
  });
  const requests =
    '{route="/v1/chat/completions",key="tester",outcome="upstream_error",model="scripted-broken:latest",upstream="ollama"}';
  assert.equal(await gateway.metric(`llamaduct_requests_total${requests}`), 1);
});

test('a stream that Ollama ends without a done line ends in an error event, not in [DONE]', async () => {
  await using gateway = await liveGateway();
  const payloads = await events(await gateway.chat({ model: 'scripted-repeat', stream: true }));
  assert.match(payloads[0] ?? '', /" ?ha"/);
  assert.ok(!payloads.includes('[DONE]'));
  assert.equal((JSON.parse(payloads.at(-1) ?? '') as { error: { code: string } }).error.code, 'upstream_incomplete');

  const streamed = chunksOf(
    sdk(gateway).chat.completions.create({ model: 'scripted-repeat', messages: [user('hi')], stream: true }),
  );
  await assert.rejects(streamed, OpenAI.APIError);
});

test('a response that Ollama ends without a done line is a 502', async () => {
  await using gateway = await liveGateway();
  const response = await gateway.chat({ model: 'scripted-repeat' });
  assert.deepEqual([response.status, response.headers.get('x-should-retry')], [502, 'true']);
  assert.equal(((await response.json()) as { error: { code: string } }).error.code, 'upstream_incomplete');
});

test('a request that Ollama rejects is a 400', async () => {
  await using gateway = await liveGateway();
  for (const [fields, param] of [
    [{ options: { num_ctx: 'many' } }, 'options.num_ctx'],
    [
      { response_format: { type: 'json_schema', json_schema: { name: 'n', schema: { type: 'nonsense' } } } },
      'response_format',
    ],
    [{ model: 'scripted-embed' }, null],
  ] as const) {
    const response = await gateway.chat(fields);
    const { error } = (await response.json()) as { error: { type: string; param: string | null } };
    assert.deepEqual(
      [response.status, error.type, error.param],
      [400, 'invalid_request_error', param],
      JSON.stringify(fields),
    );
  }
});
