import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { GatewayError } from '../../src/errors.ts';
import { openai } from '../../src/upstreams/openai/index.ts';

const isProtocolError = (error: unknown): boolean =>
  error instanceof GatewayError && error.code === 'upstream_protocol_error';

suite('the models of an OpenAI server', () => {
  test('are read from a list or a bare array; a missing time is 0', () => {
    const { method, path, read } = openai.models;
    assert.deepEqual([method, path], ['GET', '/models']);
    const list = [{ id: 'a', created: 5.5 }, { id: 'b/c' }, { id: '' }, null];
    const models = [
      { name: 'a', modified: 5 },
      { name: 'b/c', modified: 0 },
    ];
    assert.deepEqual(read({ object: 'list', data: list }), models);
    assert.deepEqual(read(list), models);
    assert.throws(() => read({ data: {} }), isProtocolError);
    assert.throws(() => read(null), isProtocolError);
  });

  test('have details in the fields of several servers, without another request', () => {
    assert.equal('details' in openai, false);
    const details = [
      { context_length: 1, capabilities: ['tools'] },
      { max_model_len: 2, capabilities: { vision: true } },
      { meta: { n_ctx_train: 3 } },
      { context_window: 4, max_model_len: null },
      {},
    ];
    const models = openai.models.read({ data: details.map((fields) => ({ id: 'a', ...fields })) });
    assert.deepEqual(
      models.map(({ contextLength, capabilities }) => [contextLength, capabilities]),
      [
        [1, ['tools']],
        [2, undefined],
        [3, undefined],
        [4, undefined],
        [undefined, undefined],
      ],
    );
  });
});

suite('the embeddings of an OpenAI server', () => {
  const request = openai.embeddings({ model: 'm', input: ['a', 'b'], dimensions: 2, truncate: true });

  test('are requested as floats', () => {
    const { method, path, body } = request;
    assert.deepEqual([method, path], ['POST', '/embeddings']);
    assert.deepEqual(body, { model: 'm', input: ['a', 'b'], dimensions: 2, encoding_format: 'float' });
  });

  test('are in the order of the texts', () => {
    const data = [
      { index: 1, embedding: [3, 4] },
      { index: 0, embedding: [1, 2] },
    ];
    const vectors = [
      [1, 2],
      [3, 4],
    ];
    assert.deepEqual(request.read({ data, usage: { prompt_tokens: 5, total_tokens: 5 } }), {
      vectors,
      usage: { inputTokens: 5, outputTokens: 0 },
      timings: {},
    });
    const unnumbered = vectors.map((embedding) => ({ embedding }));
    assert.deepEqual(request.read({ data: unnumbered }).vectors, vectors);
  });

  test('fail with upstream_protocol_error unless there is a vector for each text', () => {
    const one = { index: 0, embedding: [1] };
    for (const data of [[one], [one, one], [one, { index: 2, embedding: [1] }], [one, { embedding: 'AAAA' }], 'x']) {
      assert.throws(() => request.read({ data }), isProtocolError, JSON.stringify(data));
    }
  });
});
