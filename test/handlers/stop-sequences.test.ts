import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { testGateway } from '../helpers/gateway.ts';
import { plainAnswer } from '../helpers/ollama-answers.ts';
import { saying } from '../helpers/openai-answers.ts';
import { fakeUpstream, openaiUpstream } from '../helpers/upstream.ts';

suite('stop sequences', () => {
  test('that are empty are left out', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream);
    for (const stop of ['', [''], [], null]) await gateway.chat({ stop });
    await gateway.chat({ stop: ['', 'a'] });
    const sent = upstream.requests.map(({ body }) => (JSON.parse(body) as { options?: unknown }).options);
    assert.deepEqual(sent, [undefined, undefined, undefined, undefined, { stop: ['a'] }]);
  });

  // llamaduct looks for the beginning of each sequence in every token.
  test('are a 400 when llamaduct has to apply one of more than 256 characters', async () => {
    await using upstream = await openaiUpstream(saying('x'));
    await using gateway = await testGateway(upstream, { upstream: { kind: 'openai' } });
    const messages = [{ role: 'user', content: 'hi' }];
    for (const [length, status] of [
      [256, 200],
      [257, 400],
    ] as const) {
      const body = { model: 'scripted', max_tokens: 5, messages, stop_sequences: ['x'.repeat(length)] };
      const response = await gateway.fetch('/v1/messages', { method: 'POST', body: JSON.stringify(body) });
      assert.equal(response.status, status);
      if (status === 400) assert.match(await response.text(), /stop_sequences/);
    }
  });
});
