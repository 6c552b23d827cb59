import assert from 'node:assert/strict';
import { after, suite, test } from 'node:test';
import OpenAI from 'openai';
import { liveGateway, native, sdk } from './live.ts';

interface NativeEmbeddings {
  readonly embeddings: number[][];
  readonly prompt_eval_count: number;
}

const gateway = await liveGateway();
after(() => gateway.close());
const client = sdk(gateway);
const model = 'scripted-embed';
const tooLong = Array.from({ length: 400 }, (_, index) => `word${index}`).join(' ');

async function nativeEmbeddings(fields: object): Promise<NativeEmbeddings> {
  return await native<NativeEmbeddings>('/api/embed', { model, ...fields });
}

suite('embeddings are equal to those of /api/embed', () => {
  const inputs: Record<string, object> = {
    'for one text': { input: 'hello' },
    'for several texts, in order': { input: ['hello', 'world 🎉', 'hello', ' \n'] },
    'with fewer dimensions': { input: ['hello', 'world'], dimensions: 4 },
    'for a text that is truncated on request': { input: ['a', tooLong], truncate: true },
    'with another context size': { input: 'hello', options: { num_ctx: 64 }, keep_alive: '1m' },
  };
  for (const [name, fields] of Object.entries(inputs)) {
    test(name, async () => {
      const { embeddings, prompt_eval_count: tokens } = await nativeEmbeddings(fields);
      const request = { model, ...fields } as OpenAI.EmbeddingCreateParams;
      const floats = await client.embeddings.create({ ...request, encoding_format: 'float' });
      assert.deepEqual(
        floats.data.map(({ embedding }) => embedding),
        embeddings,
      );
      assert.deepEqual(floats.usage, { prompt_tokens: tokens, total_tokens: tokens });
      const base64 = await client.embeddings.create(request);
      assert.deepEqual(
        base64.data.map(({ embedding, index }) => [index, embedding]),
        embeddings.map((vector, index) => [index, vector.map(Math.fround)]),
      );
      assert.deepEqual(base64.usage, floats.usage);
    });
  }
});

test('embeddings of tokens, which LangChain sends, are those of their text', async () => {
  const { embeddings } = await nativeEmbeddings({ input: ['Hello, wörld!', 'Hello'] });
  for (const input of [
    [[9906, 11, 289, 9603, 509, 0], [9906]],
    [9906, 11, 289, 9603, 509, 0],
  ]) {
    const { data } = await client.embeddings.create({ model, input, encoding_format: 'float' });
    for (const { embedding, index } of data) assert.deepEqual(embedding, embeddings[index]);
  }
});

suite('an input that Ollama rejects or ignores is a 400 that names it', () => {
  const rejected: [string, object, string | null, string | null, RegExp][] = [
    [
      'a text longer than the context',
      { input: ['a', tooLong] },
      'context_length_exceeded',
      'input',
      new RegExp(`512 tokens\\. The longest has ${tooLong.length} characters`),
    ],
    ['more dimensions than the model has', { dimensions: 99_999 }, null, 'dimensions', /at most 256/],
    ['an empty string', { input: '' }, null, 'input', /must not be empty/],
    ['an empty string among others', { input: ['', 'a'] }, null, 'input[0]', /must not be empty/],
    ['a number that is not a token', { input: [1, 200_000] }, null, 'input', /not a token of cl100k_base/],
    ['an option of another type', { options: { num_ctx: 'many' } }, null, 'options.num_ctx', /must be a number/],
  ];
  for (const [name, fields, code, param, message] of rejected) {
    test(name, async () => {
      const request = { model, input: 'hello', ...fields } as OpenAI.EmbeddingCreateParams;
      await assert.rejects(client.embeddings.create(request), (error) => {
        assert.ok(error instanceof OpenAI.BadRequestError);
        assert.deepEqual([error.code, error.param, error.type], [code, param, 'invalid_request_error']);
        assert.match(error.message, message);
        return true;
      });
    });
  }
});

test('an unknown model is a 404, and one that cannot be loaded an error that SDKs do not retry', async () => {
  await assert.rejects(client.embeddings.create({ model: 'llama-of-nowhere', input: 'hi' }), (error) => {
    assert.ok(error instanceof OpenAI.NotFoundError);
    assert.deepEqual([error.code, error.param], ['model_not_found', 'model']);
    return true;
  });
  await assert.rejects(client.embeddings.create({ model: 'scripted-broken', input: 'hi' }), (error) => {
    assert.ok(error instanceof OpenAI.APIError);
    assert.deepEqual(
      [error.status, error.code, error.headers?.get('x-should-retry')],
      [502, 'model_load_failed', 'false'],
    );
    return true;
  });
});

test('the token metric has the count of Ollama', async () => {
  await using counting = await liveGateway();
  const input = ['count', 'me'];
  const { prompt_eval_count: tokens } = await nativeEmbeddings({ input });
  await sdk(counting).embeddings.create({ model, input });
  const counted = 'llamaduct_tokens_total{key="tester",model="scripted-embed:latest",type="input"}';
  assert.equal(await counting.metric(counted), tokens);
});
