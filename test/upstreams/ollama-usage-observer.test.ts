import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { ollama } from '../../src/upstreams/ollama/index.ts';
import { recordings } from '../helpers/recordings.ts';

type Observed = ReturnType<ReturnType<typeof ollama.observer>['end']>;

/** @param size bytes of each chunk */
function observe(text: Buffer | string, size: number): Observed {
  const observer = ollama.observer();
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += size) observer.push(bytes.subarray(at, at + size));
  return observer.end();
}

const counts = { total_duration: 5e9, prompt_eval_count: 40, prompt_eval_duration: 1e9, eval_count: 5000 };
const finish = { usage: { inputTokens: 40, outputTokens: 5000 }, timings: { promptEval: 1, total: 5 } };

/** Text of a model that looks like the end of a response. */
const imitation =
  '\\"}],"},"total_duration":1,"prompt_eval_count":1,"eval_count":1}\n{"error":"no","eval_count":2} \u00e9\\';
const token = { token: imitation, logprob: -1, top_logprobs: [{ token: '"eval_count":3}', logprob: -1.5 }] };
const logprobs = Array.from({ length: 12_000 }, () => token);
const big = imitation.repeat(20_000);
const started = { model: 'm', created_at: '2026-11-21T12:00:00Z' };

/** With fields in Ollama's order, unless noted. */
const lines = {
  'a chat with logprobs': { ...started, message: { role: 'assistant', content: big }, done: true, logprobs, ...counts },
  'a chat whose counts come first': { ...started, ...counts, done: true, message: { content: big }, logprobs },
  'a generation': { ...started, response: big, thinking: big, done: true, context: [1, 2], ...counts, logprobs },
};

suite('OllamaUsageObserver', () => {
  for (const [name, line] of Object.entries(lines)) {
    const text = `${JSON.stringify(line)}\n`;

    test(`reads the counts of a line of 1 MB whose text looks like counts: ${name}`, () => {
      assert.ok(text.length > 2 ** 20);
      for (const size of [777, 65_536, text.length * 2])
        assert.deepEqual(observe(text, size), { finish, outcome: 'complete' });
      assert.deepEqual(observe(text.slice(0, -3), 65_536), { outcome: 'incomplete' });
    });
  }

  test('reads the counts of large embeddings', () => {
    const vector = Array.from({ length: 768 }, (_, index) => -index / 7);
    const embeddings = Array.from({ length: 200 }, () => vector);
    const line = JSON.stringify({ model: 'm', embeddings, total_duration: 5e9, prompt_eval_count: 40 });
    assert.ok(line.length > 2 ** 20);
    assert.deepEqual(observe(line, 65_536).finish?.usage, { inputTokens: 40, outputTokens: 0 });
  });

  test('reads only the last line, counts or error, of lines of any size', () => {
    const large = JSON.stringify(lines['a chat with logprobs']);
    const small = JSON.stringify({ ...started, ...counts, eval_count: 2 });
    for (const size of [1000, 65_536]) {
      assert.equal(observe(`${large}\n${small}\n`, size).finish?.usage.outputTokens, 2);
      assert.equal(observe(`${small}\n${large}\n`, size).finish?.usage.outputTokens, 5000);
      assert.deepEqual(observe(`${large}\n{"error":"${'\u00e9\\n'.repeat(1000)}"}\n`, size), { outcome: 'failed' });
    }
  });

  test('does not throw for a line that it cannot read', () => {
    for (const text of ['[', ']}]}', '"', '{"a":1', `{${'"a":1,'.repeat(100_000)}"b":1}`]) {
      assert.deepEqual(observe(text, 65_536), { outcome: 'incomplete' });
      assert.deepEqual(observe(`${text}\n`, 65_536), { outcome: 'complete' });
    }
    for (const text of ['', '[1]', 'null']) assert.deepEqual(observe(text, 65_536), { outcome: 'complete' });
  });

  test('takes the outcome from the last line', () => {
    const line = (more: object): string => `${JSON.stringify({ ...started, message: { content: big }, ...more })}\n`;
    for (const [text, outcome] of [
      [line({ done: true }), 'complete'],
      [line({ done: false }), 'incomplete'],
      [line({ done: false }) + line({ done: true }).slice(0, -9), 'incomplete'],
      ['{"status":"success"}\n', 'complete'],
    ] as const) {
      assert.deepEqual(observe(text, 65_536), { outcome });
    }
  });

  for (const { name, body } of recordings(/^(chat|generate)-.*|^embed-/).filter(({ status }) => status === 200)) {
    test(`reads the counts of the recording ${name}`, () => {
      const last = JSON.parse(body.toString().trimEnd().split('\n').at(-1) ?? '') as Record<string, number>;
      const { finish, outcome } = observe(body, 50);
      assert.equal(outcome === 'failed', last['error'] !== undefined);
      const { prompt_eval_count: inputTokens = 0, eval_count: outputTokens = 0 } = last;
      assert.deepEqual(finish?.usage, 'total_duration' in last ? { inputTokens, outputTokens } : undefined);
    });
  }
});
