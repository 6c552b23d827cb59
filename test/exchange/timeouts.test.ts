import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { silent } from '../helpers/answers.ts';
import { testGateway } from '../helpers/gateway.ts';
import { chatLine, ndjson } from '../helpers/ollama-answers.ts';
import { type Answer, fakeUpstream } from '../helpers/upstream.ts';
import { until } from '../helpers/wait.ts';

const begun: Answer = (res) => {
  ndjson(res).write(chatLine('something'));
};

for (const stream of [false, true]) {
  suite(`the timeouts of an answer, ${stream ? 'streamed' : 'not streamed'}`, () => {
    test('give a 504 after `timeouts.first_token` without a token', async () => {
      await using upstream = await fakeUpstream(silent);
      await using gateway = await testGateway(upstream, { timeouts: { first_token: '40ms' } });
      const response = await gateway.chat({ stream });
      assert.equal(response.status, 504);
      const { error } = (await response.json()) as { error: { code: string } };
      assert.equal(error.code, 'first_token_timeout');
      await until('the end of the upstream request', () => upstream.open === 0);
    });

    test('apply `timeouts.total` but not `timeouts.first_token` once a token has arrived', async () => {
      await using upstream = await fakeUpstream(begun);
      await using gateway = await testGateway(upstream, { timeouts: { first_token: '40ms', total: '150ms' } });
      const response = await gateway.chat({ stream });
      const text = await response.text();
      assert.equal(response.status, stream ? 200 : 504);
      assert.match(text, /"code":"total_timeout"/);
      assert.doesNotMatch(text, /\[DONE\]/);
      await until('the end of the upstream request', () => upstream.open === 0);
      assert.equal(await gateway.metric('llamaduct_in_flight'), 1);
    });
  });
}
