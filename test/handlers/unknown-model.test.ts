import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hashSecret } from '../../src/config/secret.ts';
import { sendJson } from '../helpers/answers.ts';
import { secret, testGateway } from '../helpers/gateway.ts';
import { fakeUpstream } from '../helpers/upstream.ts';

test('the error for an unknown model lists the models that the key may use', async (t) => {
  const names = ['alpha:latest', 'beta:latest', ...Array.from({ length: 10 }, (_, index) => `other-${index}:latest`)];
  await using upstream = await fakeUpstream((res) => {
    sendJson(res, 404, { error: "model 'nothing' not found" });
  }, names);
  await using gateway = await testGateway(upstream, {
    keys: [
      { name: 'tester', hash: hashSecret(secret), scopes: ['inference', 'admin', 'metrics'] },
      { name: 'bob', hash: hashSecret('ld-a-secret-of-bob'), models: ['beta', 'nothing'] },
    ],
  });
  const messages = [{ role: 'user', content: 'hi' }];

  await t.test('all of them, as far as they are ten', async () => {
    const shown = names.toSorted().slice(0, 10).join(', ');
    for (const [path, body] of [
      ['/v1/chat/completions', { messages }],
      ['/v1/chat/completions', { messages, stream: true }],
      ['/v1/messages', { messages, max_tokens: 9 }],
      ['/v1/responses', { input: 'hi' }],
      ['/v1/embeddings', { input: 'hi' }],
    ] as const) {
      const init = { method: 'POST', body: JSON.stringify({ model: 'nothing', ...body }) };
      const response = await gateway.fetch(path, init);
      const { error } = (await response.json()) as { error: { message: string } };
      assert.equal(response.status, 404, path);
      assert.equal(error.message, `model 'nothing' not found. Available models: ${shown} and 2 more.`);
    }
  });

  await t.test('and no others', async () => {
    const headers = { authorization: 'Bearer ld-a-secret-of-bob' };
    const response = await gateway.chat({ model: 'nothing' }, { headers });
    assert.match(await response.text(), /not found\. Available models: beta:latest\./);
  });
});
