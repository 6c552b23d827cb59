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

async function askOllama(fields: object): Promise<NativeEmbeddings> {
  return await native<NativeEmbeddings>('/api/embed', { model, ...fields });
}

suite('vectors are those of /api/embed', () => {
  const inputs: Record<string, object> = {
    'of one text': { input: 'hello' },
    'of texts, in their order': { input: ['hello', 'world 🎉', 'hello', ' \n'] },
    'with fewer dimensions': { input: ['hello', 'world'], dimensions: 4 },
    'of a text that is cut on demand': { input: ['a', tooLong], truncate: true },
    'with a context of its own': { input: 'hello', options: { num_ctx: 64 }, keep_alive: '1m' },
  };
  for (const [name, fields] of Object.entries(inputs)) {
    test(name, async () => {
      const { embeddings, prompt_eval_count: tokens } = await askOllama(fields);
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

suite('what Ollama refuses, or passes over in silence, is a 400 that says what', () => {
  const refused: [string, object, string | null, string | null, RegExp][] = [
    [
      'a text over the context',
      { input: ['a', tooLong] },
      'context_length_exceeded',
      'input',
      new RegExp(`512 tokens\\. The longest has ${tooLong.length} characters`),
    ],
    ['more dimensions than there are', { dimensions: 99_999 }, null, 'dimensions', /at most 256/],
    ['an empty string', { input: '' }, null, 'input', /must not be empty/],
    ['an empty string among others', { input: ['', 'a'] }, null, 'input[0]', /must not be empty/],
    ['tokens', { input: [1, 2, 3] }, null, 'input', /Send the text itself/],
    ['an option of another type', { options: { num_ctx: 'many' } }, null, 'options.num_ctx', /must be of type/],
  ];
  for (const [name, fields, code, param, message] of refused) {
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

test('a model that is not there is a 404, one that cannot be loaded an error that no SDK tries again', async () => {
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

test('tokens are counted as Ollama counts them', async () => {
  await using counting = await liveGateway();
  const input = ['count', 'me'];
  const { prompt_eval_count: tokens } = await askOllama({ input });
  await sdk(counting).embeddings.create({ model, input });
  const counted = 'llamaduct_tokens_total{key="tester",model="scripted-embed:latest",type="input"}';
  assert.equal(await counting.metric(counted), tokens);
});
