import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { openai } from '../../src/upstreams/openai/index.ts';
import { recordings } from '../helpers/recordings.ts';

type Observed = ReturnType<ReturnType<typeof openai.observer>['end']>;

function observe(...chunks: readonly (Uint8Array | string)[]): Observed {
  const observer = openai.observer();
  for (const chunk of chunks) observer.push(Buffer.from(chunk));
  return observer.end();
}

const usage = { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 };
const total = { usage: { inputTokens: 7, outputTokens: 3 }, timings: {} };
const token =
  'data: {"choices":[{"index":0,"delta":{"content":"\\"usage\\": {"},"finish_reason":null}],"usage":null}\n\n';
const last = 'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n';
const counts = `data: ${JSON.stringify({ choices: [], usage })}\n\n`;

suite('OpenAiUsageObserver', () => {
  test('reads the usage of a stream, whole and byte by byte', () => {
    const stream = `${token}${last}${counts}data: [DONE]\n\n`;
    assert.deepEqual(observe(stream), { finish: total, outcome: 'complete' });
    assert.deepEqual(observe(...Array.from(stream)), { finish: total, outcome: 'complete' });
  });

  test('takes a response with a finish reason or [DONE] as complete, others as incomplete', () => {
    assert.deepEqual(observe(token, last), { outcome: 'complete' });
    assert.deepEqual(observe(token, 'data: [DONE]\n\n'), { outcome: 'complete' });
    assert.deepEqual(observe(token), { outcome: 'incomplete' });
    assert.deepEqual(observe(), { outcome: 'incomplete' });
  });

  test('reports errors as failed', () => {
    assert.equal(observe(token, 'data: {"error":{"message":"x"}}\n\ndata: [DONE]\n\n').outcome, 'failed');
    assert.equal(observe(token, 'data: {"object":"error","message":"x"}\n\n', last).outcome, 'failed');
    assert.equal(observe(token, 'event: error\ndata: {"message":"x"}\n\n', last).outcome, 'failed');
    assert.equal(observe('{"error":{"message":"x"}}').outcome, 'failed');
  });

  test('reads responses that are not streamed: a chat, embeddings, one without usage', () => {
    const message = { role: 'assistant', content: 'a' };
    const chat = JSON.stringify({ choices: [{ message, finish_reason: 'stop' }], usage, timings: { prompt_ms: 500 } });
    assert.deepEqual(observe(chat), { finish: { ...total, timings: { promptEval: 0.5 } }, outcome: 'complete' });
    const embeddings = JSON.stringify({ data: [{ embedding: [1] }], usage: { prompt_tokens: 7 } });
    assert.deepEqual(observe(embeddings).finish?.usage, { inputTokens: 7, outputTokens: 0 });
    assert.deepEqual(observe('{"data":[]}'), { outcome: 'complete' });
  });

  test('does not throw for events that are not JSON or too large', () => {
    assert.deepEqual(observe('data: {"usage":{\n\n', last), { outcome: 'complete' });
    assert.deepEqual(observe(`data: ${'x'.repeat(2 * 1024 * 1024)}`, counts), { outcome: 'complete' });
    assert.deepEqual(observe('{"data":[', ...Array.from({ length: 300 }, () => '1,'.repeat(4096))), {
      outcome: 'complete',
    });
  });

  for (const { name, body } of recordings(/^(chat|completions)-(plain|repeat|tools-tool2)-stream$/, [
    'v1-0.17.4',
    'v1-0.33',
  ])) {
    test(`reads the usage of the recording ${name}`, () => {
      const broken = name.includes('repeat');
      const { outcome, finish } = observe(body);
      assert.deepEqual([outcome !== 'complete', finish === undefined], [broken, broken || !body.includes('"usage"')]);
    });
  }
});
