import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { testGateway } from '../helpers/gateway.ts';
import { chatLine, doneLine, ndjson } from '../helpers/ollama-answers.ts';
import { chunk, stream as streaming } from '../helpers/openai-answers.ts';
import { fakeUpstream, openaiUpstream } from '../helpers/upstream.ts';

const messages = [{ role: 'user', content: 'hi' }];

/** Requests of the dialects that report cached tokens, and the usage of their answers for 25 cached tokens of 40, and without. */
const dialects: [path: string, body: object, cached: object, unknown: object, field: string][] = [
  [
    '/v1/chat/completions',
    { messages, stream_options: { include_usage: true } },
    { prompt_tokens: 40, prompt_tokens_details: { cached_tokens: 25 } },
    { prompt_tokens: 40 },
    'prompt_tokens_details',
  ],
  [
    '/v1/completions',
    { prompt: 'hi', stream_options: { include_usage: true } },
    { prompt_tokens: 40, prompt_tokens_details: { cached_tokens: 25 } },
    { prompt_tokens: 40 },
    'prompt_tokens_details',
  ],
  [
    '/v1/responses',
    { input: 'hi' },
    { input_tokens: 40, input_tokens_details: { cached_tokens: 25, cache_write_tokens: 0 } },
    { input_tokens: 40 },
    'input_tokens_details',
  ],
  [
    '/v1/messages',
    { max_tokens: 9, messages },
    { input_tokens: 15, cache_read_input_tokens: 25 },
    { input_tokens: 40 },
    'cache_read_input_tokens',
  ],
];

suite('the tokens that Ollama read from its prompt cache', () => {
  for (const [path, body, cached, unknown, field] of dialects) {
    for (const stream of [false, true]) {
      test(`are in the usage of ${path}${stream ? ', streamed' : ''}, and absent where they are unknown`, async () => {
        let counts: object = { prompt_eval_count: 40, prompt_eval_cached_count: 25 };
        const line = (text: string): string =>
          path === '/v1/completions' ? `${JSON.stringify({ response: text, done: false })}\n` : chatLine(text);
        await using upstream = await fakeUpstream((res) => void ndjson(res).end(line('Hi') + doneLine(counts)));
        await using gateway = await testGateway(upstream);
        const usageOf = async (): Promise<Record<string, unknown>> => {
          const response = await gateway.fetch(path, {
            method: 'POST',
            body: JSON.stringify({ model: 'scripted-plain', ...body, stream }),
          });
          const text = await response.text();
          // The last usage of a stream counts.
          const json = /.*"usage":(\{(?:[^{}]|\{[^{}]*\})*\})/s.exec(text)?.[1] ?? text;
          return JSON.parse(json) as Record<string, unknown>;
        };
        assert.partialDeepStrictEqual(await usageOf(), cached);
        counts = { prompt_eval_count: 40 };
        const usage = await usageOf();
        assert.partialDeepStrictEqual(usage, unknown);
        assert.equal(field in usage, false, JSON.stringify(usage));
        // A server that knows of none says so.
        counts = { prompt_eval_count: 40, prompt_eval_cached_count: 0 };
        assert.equal(field in (await usageOf()), true);
      });
    }
  }

  test("are in the last line of Ollama's API before a server of another kind", async () => {
    const usage = { prompt_tokens: 40, completion_tokens: 3, prompt_tokens_details: { cached_tokens: 25 } };
    await using upstream = await openaiUpstream(
      streaming([chunk({ content: 'Hi' }), chunk({}, 'stop'), { choices: [], usage }]),
    );
    await using gateway = await testGateway([{ name: 'other', kind: 'openai', url: upstream.url }]);
    for (const stream of [false, true]) {
      const body = JSON.stringify({ model: 'scripted', messages, stream });
      const text = await (await gateway.fetch('/api/chat', { method: 'POST', body })).text();
      const last = JSON.parse(text.trim().split('\n').at(-1) ?? '') as object;
      assert.partialDeepStrictEqual(last, { prompt_eval_count: 40, prompt_eval_cached_count: 25 });
    }
  });
});

suite('"error": null in a line', () => {
  for (const nothing of [null, '', false]) {
    test(`is no error when it is ${JSON.stringify(nothing)}`, async () => {
      await using upstream = await fakeUpstream((res) => {
        ndjson(res).end(chatLine('Good', { error: nothing }) + doneLine({ error: nothing }));
      });
      await using gateway = await testGateway(upstream);
      assert.match(await (await gateway.chat({ stream: true })).text(), /"content":"Good".*\[DONE\]/s);
      const body = JSON.stringify({ model: 'scripted-plain', messages });
      assert.match(await (await gateway.fetch('/api/chat', { method: 'POST', body })).text(), /"done":true/);
      assert.equal(gateway.log.filter(({ outcome }) => outcome === 'ok').length, 2);
    });
  }
});
