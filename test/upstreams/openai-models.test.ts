import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { GatewayError } from '../../src/errors.ts';
import { openai } from '../../src/upstreams/openai/index.ts';

const notTheProtocol = (error: unknown): boolean =>
  error instanceof GatewayError && error.code === 'upstream_protocol_error';

suite('models of an OpenAI server', () => {
  test('the list, also as a bare array; without a time it is 0', () => {
    const { method, path, read } = openai.models;
    assert.deepEqual([method, path], ['GET', '/models']);
    const list = [{ id: 'a', created: 5.5 }, { id: 'b/c' }, { id: '' }, null];
    const models = [
      { name: 'a', modified: 5 },
      { name: 'b/c', modified: 0 },
    ];
    assert.deepEqual(read({ object: 'list', data: list }), models);
    assert.deepEqual(read(list), models);
    assert.throws(() => read({ data: {} }), notTheProtocol);
    assert.throws(() => read(null), notTheProtocol);
  });

  test('details, in the fields of several servers', () => {
    const { method, path, read } = openai.details('org/a b?#:1\uD800');
    assert.deepEqual([method, path], ['GET', '/models/org/a%20b%3F%23%3A1%EF%BF%BD']);
    assert.deepEqual(read({ context_length: 1, capabilities: ['tools'] }), {
      contextLength: 1,
      capabilities: ['tools'],
    });
    assert.deepEqual(read({ max_model_len: 2, capabilities: { vision: true } }), { contextLength: 2 });
    assert.deepEqual(read({ meta: { n_ctx_train: 3 } }), { contextLength: 3 });
    assert.deepEqual(read({ context_window: 4, max_model_len: null }), { contextLength: 4 });
    assert.deepEqual(read({ id: 'a' }), {});
    assert.deepEqual(read('a'), {});
  });
});

suite('embeddings of an OpenAI server', () => {
  const ask = openai.embeddings({ model: 'm', input: ['a', 'b'], dimensions: 2, truncate: true });

  test('the question', () => {
    const { method, path, body } = ask;
    assert.deepEqual([method, path], ['POST', '/embeddings']);
    assert.deepEqual(body, { model: 'm', input: ['a', 'b'], dimensions: 2, encoding_format: 'float' });
  });

  test('the vectors, in the order of the texts', () => {
    const data = [
      { index: 1, embedding: [3, 4] },
      { index: 0, embedding: [1, 2] },
    ];
    const vectors = [
      [1, 2],
      [3, 4],
    ];
    assert.deepEqual(ask.read({ data, usage: { prompt_tokens: 5, total_tokens: 5 } }), {
      vectors,
      usage: { inputTokens: 5, outputTokens: 0 },
      timings: {},
    });
    const unnumbered = vectors.map((embedding) => ({ embedding }));
    assert.deepEqual(ask.read({ data: unnumbered }).vectors, vectors);
  });

  test('anything but a vector for each text is not the protocol', () => {
    const one = { index: 0, embedding: [1] };
    for (const data of [[one], [one, one], [one, { index: 2, embedding: [1] }], [one, { embedding: 'AAAA' }], 'x']) {
      assert.throws(() => ask.read({ data }), notTheProtocol, JSON.stringify(data));
    }
  });
});
