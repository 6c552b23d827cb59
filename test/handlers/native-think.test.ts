import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { sendJson } from '../helpers/answers.ts';
import { testGateway } from '../helpers/gateway.ts';
import { plainAnswer } from '../helpers/ollama-answers.ts';
import { type FakeUpstream, fakeUpstream } from '../helpers/upstream.ts';

/** A model that takes only some values of `think`, with the errors of Ollama 0.17 and 0.33. */
async function taking(accepted: readonly unknown[]): Promise<FakeUpstream> {
  const upstream = await fakeUpstream((res, sent) => {
    const { think } = JSON.parse(sent.body) as { think?: unknown };
    if (accepted.includes(think)) return plainAnswer()(res, sent);
    const isKnown = typeof think === 'boolean' || ['low', 'medium', 'high'].includes(String(think));
    const reason = isKnown
      ? accepted.includes(true)
        ? `think value "${String(think)}" is not supported for this model`
        : '"m" does not support thinking'
      : `invalid think value: "${String(think)}" (must be "high", "medium", "low", true, or false)`;
    return sendJson(res, 400, { error: reason });
  });
  return upstream;
}

suite('a level of thinking on a native route that the model refuses', () => {
  const cases: readonly (readonly [
    think: string | true,
    accepted: readonly unknown[],
    sent: readonly unknown[],
    dropped: string | null,
  ])[] = [
    ['low', [true, false, undefined], ['low', true], null],
    ['low', [undefined, false], ['low', undefined], 'think'],
    ['max', [true, 'high'], ['max', 'high'], null],
    ['max', [true], ['max', 'high', true], null],
    ['ultra', [true, 'high'], ['ultra', 'max', 'high'], null],
    ['none', [true, false], ['none', false], null],
    ['', [true, undefined], ['', undefined], null],
    [true, [undefined, false], [true, undefined], 'think'],
    ['purple', [true, undefined], ['purple', undefined], 'think'],
  ];
  for (const [think, accepted, sent, dropped] of cases) {
    for (const path of ['/api/chat', '/api/generate']) {
      test(`${path}: ${JSON.stringify(think)} becomes ${String(sent.at(-1))}`, async () => {
        await using upstream = await taking(accepted);
        await using gateway = await testGateway(upstream);
        const body = JSON.stringify({ model: 'm', think, prompt: 'hi', messages: [{ role: 'user', content: 'hi' }] });
        const response = await gateway.fetch(path, { method: 'POST', body });
        assert.equal(response.status, 200);
        assert.match(await response.text(), /"done":true/);
        assert.equal(response.headers.get('x-llamaduct-dropped'), dropped);
        assert.deepEqual(
          upstream.requests.map((request) => (JSON.parse(request.body) as { think?: unknown }).think),
          sent,
        );
      });
    }
  }

  test('keeps all digits of the rest of the body, and replaces every spelling of the field', async () => {
    await using upstream = await taking([true]);
    await using gateway = await testGateway(upstream);
    const body = '{"Think":"low","model":"m","messages":[],"options":{"seed":9007199254740993}}';
    assert.equal((await gateway.fetch('/api/chat', { method: 'POST', body })).status, 200);
    assert.equal(
      upstream.requests[1]?.body,
      '{"model":"m","messages":[],"options":{"seed":9007199254740993},"think":true}',
    );
  });

  test('is an error in strict mode if nothing is left of it, and if the error is about something else', async () => {
    await using upstream = await taking([undefined]);
    await using strict = await testGateway(upstream, { strict: true });
    const body = JSON.stringify({ model: 'm', think: 'low' });
    const response = await strict.fetch('/api/chat', { method: 'POST', body });
    assert.deepEqual([response.status, await response.json()], [400, { error: '"m" does not support thinking' }]);
    await using other = await fakeUpstream((res) => sendJson(res, 400, { error: 'no such thing' }));
    await using gateway = await testGateway(other);
    const refused = await gateway.fetch('/api/chat', { method: 'POST', body });
    assert.deepEqual([refused.status, await refused.json()], [400, { error: 'no such thing' }]);
    assert.equal(other.requests.length, 1);
  });
});
