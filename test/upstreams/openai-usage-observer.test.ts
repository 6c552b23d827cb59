import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { openai } from '../../src/upstreams/openai/index.ts';
import { recordings } from '../helpers/recordings.ts';

type Tapped = ReturnType<ReturnType<typeof openai.observer>['end']>;

function tap(...pieces: readonly (Uint8Array | string)[]): Tapped {
  const tapped = openai.observer();
  for (const piece of pieces) tapped.push(Buffer.from(piece));
  return tapped.end();
}

const usage = { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 };
const counted = { usage: { inputTokens: 7, outputTokens: 3 }, timings: {} };
const token =
  'data: {"choices":[{"index":0,"delta":{"content":"\\"usage\\": {"},"finish_reason":null}],"usage":null}\n\n';
const last = 'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n';
const counts = `data: ${JSON.stringify({ choices: [], usage })}\n\n`;

suite('reading along a relayed answer', () => {
  test('the usage of a stream, whole and byte by byte', () => {
    const stream = `${token}${last}${counts}data: [DONE]\n\n`;
    assert.deepEqual(tap(stream), { finish: counted, outcome: 'complete' });
    assert.deepEqual(tap(...Array.from(stream)), { finish: counted, outcome: 'complete' });
  });

  test('the end: a reason or the mark, else it is incomplete', () => {
    assert.deepEqual(tap(token, last), { outcome: 'complete' });
    assert.deepEqual(tap(token, 'data: [DONE]\n\n'), { outcome: 'complete' });
    assert.deepEqual(tap(token), { outcome: 'incomplete' });
    assert.deepEqual(tap(), { outcome: 'incomplete' });
  });

  test('errors', () => {
    assert.equal(tap(token, 'data: {"error":{"message":"x"}}\n\ndata: [DONE]\n\n').outcome, 'failed');
    assert.equal(tap(token, 'data: {"object":"error","message":"x"}\n\n', last).outcome, 'failed');
    assert.equal(tap(token, 'event: error\ndata: {"message":"x"}\n\n', last).outcome, 'failed');
    assert.equal(tap('{"error":{"message":"x"}}').outcome, 'failed');
  });

  test('an answer in one piece, of a chat, of embeddings, and without usage', () => {
    const message = { role: 'assistant', content: 'a' };
    const chat = JSON.stringify({ choices: [{ message, finish_reason: 'stop' }], usage, timings: { prompt_ms: 500 } });
    assert.deepEqual(tap(chat), { finish: { ...counted, timings: { promptEval: 0.5 } }, outcome: 'complete' });
    const embeddings = JSON.stringify({ data: [{ embedding: [1] }], usage: { prompt_tokens: 7 } });
    assert.deepEqual(tap(embeddings).finish?.usage, { inputTokens: 7, outputTokens: 0 });
    assert.deepEqual(tap('{"data":[]}'), { outcome: 'complete' });
  });

  test('what cannot be read, or is too large, goes uncounted and does not throw', () => {
    assert.deepEqual(tap('data: {"usage":{\n\n', last), { outcome: 'complete' });
    assert.deepEqual(tap(`data: ${'x'.repeat(2 * 1024 * 1024)}`, counts), { outcome: 'complete' });
    assert.deepEqual(tap('{"data":[', ...Array.from({ length: 300 }, () => '1,'.repeat(4096))), {
      outcome: 'complete',
    });
  });

  for (const { name, body } of recordings(/^(chat|completions)-(plain|repeat|tools-tool2)-stream$/, [
    'v1-0.17.4',
    'v1-0.33',
  ])) {
    test(`recorded: ${name}`, () => {
      const broken = name.includes('repeat');
      const { outcome, finish } = tap(body);
      assert.deepEqual([outcome !== 'complete', finish === undefined], [broken, broken || !body.includes('"usage"')]);
    });
  }
});
