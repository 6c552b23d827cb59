import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { hello, start, webSearch } from './helpers.ts';
import { search } from './origin.ts';

suite('an answer that is not shown', () => {
  for (const [path, body] of [
    ['/v1/messages/count_tokens', { messages: hello, tools: [webSearch] }],
    ['/v1/responses/input_tokens', { input: 'hi', tools: [{ type: 'web_search' }] }],
    [
      '/v1beta/models/scripted-plain:countTokens',
      { contents: [{ role: 'user', parts: [{ text: 'hi' }] }], tools: [{ googleSearch: {} }] },
    ],
  ] as const) {
    test(`is not searched for by an exact count of its tokens: ${path}`, async () => {
      await using setup = await start({ turns: [{ calls: [search('llama')] }] });
      const headers = { 'x-llamaduct-exact': 'true' };
      const { response, text } = await setup.post(path, body, { headers });
      assert.equal(response.status, 200);
      assert.match(text, /[tT]okens":10\b/);
      assert.equal(setup.asked()[0]?.tools?.[0]?.function.name, 'web_search');
      assert.equal(setup.asked().length, 1);
      assert.equal(setup.origin.requests.length, 0);
    });
  }

  test('is not searched for, nor refused, by a message without tokens that only evaluates the prompt', async () => {
    for (const more of [{}, { search: false } as const]) {
      for (const stream of [false, true]) {
        await using setup = await start({ turns: [{ calls: [search('llama')] }], ...more });
        const body = { max_tokens: 0, messages: hello, tools: [webSearch], stream };
        const { response, text } = await setup.post('/v1/messages', body);
        assert.equal(response.status, 200, text);
        assert.equal(setup.asked().length, 1);
        assert.equal(setup.origin.requests.length, 0);
      }
    }
  });
});
