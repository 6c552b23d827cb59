import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { hashSecret } from '../../src/config/secret.ts';
import { json } from '../helpers/answers.ts';
import { secret, testGateway } from '../helpers/gateway.ts';
import { plainAnswer } from '../helpers/ollama-answers.ts';
import { type SeenRequest, fakeUpstream } from '../helpers/upstream.ts';

const post = (body: string): RequestInit => ({ method: 'POST', body });
const sentBody = (request: SeenRequest | undefined): Record<string, unknown> =>
  JSON.parse(request?.body ?? '{}') as Record<string, unknown>;

suite('the rules for a model', () => {
  const settings = { models: [{ match: '*', pin: { num_ctx: 8 }, max_tokens: 3, system_prepend: 'S' }] };

  test('apply to every spelling of a field that Go accepts, and refuse text after the JSON', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream, settings);
    const body = '{"model":"scripted-plain","messages":[{"role":"user","content":"hi"}]}';
    assert.equal((await gateway.fetch('/api/chat', post(`${body} junk`))).status, 400);
    const longS =
      '{"model":"scripted-plain","options":{},"optionſ":{"num_predict":8},"meſſages":[{"role":"user","content":"hi"}]}';
    await gateway.fetch('/api/chat', post(longS));
    const sent = sentBody(upstream.requests[0]);
    assert.deepEqual(sent['options'], { num_ctx: 8, num_predict: 3 });
    assert.deepEqual((sent['messages'] as unknown[]).length, 2);
    assert.deepEqual(Object.keys(sent).toSorted(), ['messages', 'model', 'options']);
  });

  test('of a key apply to the default model on every route', async () => {
    await using upstream = await fakeUpstream(plainAnswer(), ['mine:latest', 'theirs:latest']);
    const keys = [{ name: 'a', hash: hashSecret(secret), models: ['mine'] }];
    await using gateway = await testGateway(upstream, { default_model: 'theirs', keys });
    for (const path of ['/api/chat', '/api/show', '/api/generate']) {
      assert.equal((await gateway.fetch(path, post('{}'))).status, 403, path);
    }
    await using unlimited = await testGateway(upstream, { default_model: 'theirs' });
    await unlimited.fetch('/api/chat', post('{"messages":[]}'));
    assert.deepEqual(sentBody(upstream.requests[0]), { messages: [], model: 'theirs' });
  });

  test('of a strict server refuse what the model does not support', async () => {
    await using upstream = await fakeUpstream(json(400, { error: '"scripted-plain" does not support thinking' }));
    await using gateway = await testGateway(upstream, { strict: true });
    assert.equal((await gateway.chat({ reasoning_effort: 'high' })).status, 400);
  });
});
