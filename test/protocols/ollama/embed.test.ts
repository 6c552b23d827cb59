import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { GatewayError } from '../../../src/errors.ts';
import type { AnswerHead } from '../../../src/chat/protocol.ts';
import { embed, legacyEmbeddings } from '../../../src/protocols/ollama/embed/index.ts';

const head: AnswerHead = { id: 'req_1', created: 0, model: 'e', arrivedAt: 1_000, now: () => 1_250 };
const vectors = [
  [0.5, -0.5],
  [1, 0],
];

suite('an /api/embed request', () => {
  test('takes a text or several, and passes options on', () => {
    assert.deepEqual(embed.read({ model: 'e', input: 'a' }).request, { model: 'e', input: ['a'] });
    const body = { model: 'e', input: ['a', 'b'], dimensions: 2, truncate: true, keep_alive: 60 };
    assert.deepEqual(embed.read({ ...body, options: { num_ctx: 64, seed: null }, user: 'me' }), {
      ...embed.read(body),
      request: {
        model: 'e',
        input: ['a', 'b'],
        dimensions: 2,
        truncate: true,
        keepAlive: 60,
        options: { num_ctx: 64 },
      },
      dropped: ['user'],
      spellings: new Map([['user', 'user']]),
    });
  });

  test('leaves out fields that are absent, null or have their default value', () => {
    const body = { model: 'e', input: 'a', dimensions: 0, truncate: null, keep_alive: null, options: null };
    assert.deepEqual(embed.read(body).request, { model: 'e', input: ['a'] });
  });

  test('is answered with the counts that are known', () => {
    const call = embed.read({ model: 'e', input: ['a', 'b'] });
    const usage = { inputTokens: 7, outputTokens: 0 };
    assert.deepEqual(call.respond({ vectors, usage, timings: {} }, head), {
      model: 'e',
      embeddings: vectors,
      total_duration: 250_000_000,
      prompt_eval_count: 7,
    });
    const withLoad = call.respond({ vectors, usage, timings: { load: 0.001 } }, head) as { load_duration: number };
    assert.equal(withLoad.load_duration, 1_000_000);
  });

  for (const input of [undefined, null, '', []]) {
    test(`with the input ${JSON.stringify(input)} is answered without vectors and without a backend`, () => {
      const { ready, request } = embed.read({ model: 'e', input });
      assert.deepEqual(ready, { model: 'e', embeddings: [] });
      assert.deepEqual(request.input, []);
    });
  }

  const refused: [string, object][] = [
    ['input', { input: 5 }],
    ['input[0]', { input: [1, 2, 3] }],
    ['input[1]', { input: ['a', ''] }],
    ['dimensions', { input: 'a', dimensions: 'two' }],
    ['truncate', { input: 'a', truncate: 'no' }],
  ];
  for (const [param, body] of refused) {
    test(`with ${JSON.stringify(body)} is refused with a 400 for ${param}`, () => {
      assert.throws(
        () => embed.read({ model: 'e', ...body }),
        (error) => error instanceof GatewayError && error.status === 400 && error.param === param,
      );
    });
  }
});

test('an /api/embeddings request takes one text and is answered with one vector', () => {
  const call = legacyEmbeddings.read({ model: 'e', prompt: 'a' });
  assert.equal(call.ready, undefined);
  assert.deepEqual(call.request, { model: 'e', input: ['a'] });
  const usage = { inputTokens: 7, outputTokens: 0 };
  assert.deepEqual(call.respond({ vectors: [[0.5, -0.5]], usage, timings: {} }, head), { embedding: [0.5, -0.5] });
  assert.deepEqual(legacyEmbeddings.read({ model: 'e' }).ready, { embedding: [] });
});
