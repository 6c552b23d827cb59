import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { json } from '../helpers/answers.ts';
import { type TestGateway, testGateway } from '../helpers/gateway.ts';
import { plainAnswer } from '../helpers/ollama-answers.ts';
import { openaiError, saying } from '../helpers/openai-answers.ts';
import { type Answer, fakeUpstream, openaiUpstream } from '../helpers/upstream.ts';
import { until } from '../helpers/wait.ts';
import { queueDepth } from './upstreams.ts';

/** Answers requests for one model only, and holds those for another one. */
const only =
  (listed: string, answer: Answer, refusal: Answer): Answer =>
  async (res, request) => {
    const { model = '' } = JSON.parse(request.body || '{}') as { model?: string };
    if (model.startsWith('busy')) return;
    await (model.startsWith(listed) ? answer : refusal)(res, request);
  };

const unknown = {
  ollama: json(404, { error: "model 'unknown' not found" }),
  openai: json(404, openaiError('The model `unknown` does not exist.', { code: 'model_not_found' })),
};

/** Sends requests for a model to every endpoint, at the same time. @returns the statuses */
async function askAll(gateway: TestGateway, model: string): Promise<number[]> {
  const messages = [{ role: 'user', content: 'hi' }];
  const bodies: [path: string, body: object][] = [
    ['/v1/chat/completions', { messages }],
    ['/v1/chat/completions', { messages, stream: true }],
    ['/v1/completions', { prompt: 'hi' }],
    ['/v1/responses', { input: 'hi' }],
    ['/v1/messages', { messages, max_tokens: 9 }],
    ['/v1/embeddings', { input: 'hi' }],
    ['/api/chat', { messages }],
    ['/api/generate', { prompt: 'hi' }],
    ['/api/embed', { input: 'hi' }],
  ];
  return await Promise.all(
    bodies.map(async ([path, body]) => {
      const init = { method: 'POST', body: JSON.stringify({ model, ...body }), signal: AbortSignal.timeout(5_000) };
      const response = await gateway.fetch(path, init);
      await response.text();
      return response.status;
    }),
  );
}

suite('a request for a model that the upstream does not list', () => {
  for (const kind of ['ollama', 'openai'] as const) {
    test(`gets its 404 although all slots are taken: ${kind}`, async () => {
      const listed = ['busy', 'here'];
      const answer = only('here', plainAnswer(), unknown[kind]);
      await using upstream = await (kind === 'ollama' ? fakeUpstream(answer, listed) : openaiUpstream(answer, listed));
      const settings = { upstream: { kind, parallel: 1 }, timeouts: { grace: '20ms' } };
      await using gateway = await testGateway(upstream, settings);
      const holding = gateway.chat({ model: 'busy' }).catch(() => undefined);
      await until('the only slot to be taken', () => upstream.open === 1);
      assert.deepEqual(await askAll(gateway, 'unknown'), Array(9).fill(404));
      assert.equal(await queueDepth(gateway, 'ollama'), 0);
      const queued = gateway.chat({ model: 'here' }).catch(() => undefined);
      await until('a listed model to wait', async () => (await queueDepth(gateway, 'ollama')) === 1);
      await gateway.close();
      await Promise.all([holding, queued]);
    });
  }

  test('waits for a slot of a server that serves models which it does not list', async () => {
    const answer = only('unlisted', saying('Hello'), unknown.openai);
    await using upstream = await openaiUpstream(answer, ['busy']);
    const settings = { upstream: { kind: 'openai', parallel: 1 }, timeouts: { grace: '20ms' } } as const;
    await using gateway = await testGateway(upstream, settings);
    const holding = gateway.chat({ model: 'busy' }).catch(() => undefined);
    await until('the only slot to be taken', () => upstream.open === 1);
    assert.equal((await gateway.chat({ model: 'unlisted' })).status, 200);
    const queued = gateway.chat({ model: 'unlisted' }).catch(() => undefined);
    await until('the next one to wait', async () => (await queueDepth(gateway, 'ollama')) === 1);
    await gateway.close();
    await Promise.all([holding, queued]);
  });
});
