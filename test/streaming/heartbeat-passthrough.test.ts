import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { hashSecret } from '../../src/config/secret.ts';
import { type TestGateway, secret, testGateway } from '../helpers/gateway.ts';
import { openaiError, openaiUpstream, saying, sendJson } from '../helpers/openai-upstream.ts';
import type { Answer } from '../helpers/upstream.ts';
import { until } from '../helpers/wait.ts';

/** Of a stream that was passed on as it is, in front of an upstream that speaks OpenAI itself. */
const settings = {
  keys: [{ name: 'tester', hash: hashSecret(secret), scopes: ['inference', 'metrics'] }],
  upstream: { kind: 'openai', name: 'openai', parallel: 1 },
  timeouts: { silence: '50ms' },
} as const;
const said = saying('hello', ' there');

/** An upstream that holds the first request until it is let go, and gives the others this answer. */
function holding(answer: Answer): { answer: Answer; letGo: () => void } {
  const { promise: gone, resolve: letGo } = Promise.withResolvers<void>();
  let first = true;
  return {
    letGo,
    answer: async (res, request) => {
      if (!first) return await answer(res, request);
      first = false;
      await gone;
      return await said(res, request);
    },
  };
}

async function chat(gateway: TestGateway): Promise<Response> {
  return await gateway.chat({ model: 'scripted', stream: true }, { signal: AbortSignal.timeout(10_000) });
}

/** Two chats, the second of which has to wait; `letGo` once it has said so. */
async function afterWaiting(gateway: TestGateway, letGo: () => void): Promise<{ head: Response; text: string }> {
  const first = chat(gateway).then(async (response) => await response.text());
  await until('the first', async () => (await gateway.metric('llamaduct_upstream_in_flight{upstream="openai"}')) === 1);
  const head = await chat(gateway);
  letGo();
  const text = await head.text();
  await first;
  return { head, text };
}

/** Far more than fits between a client and an upstream. */
const lines = 3_000;
const long = 'x'.repeat(4_000);

test('an answer that had to wait comes whole, however long it is', async (t) => {
  const warnings = t.mock.fn();
  process.on('warning', warnings);
  t.after(() => process.off('warning', warnings));
  const held = holding(saying(...Array.from({ length: lines }, () => long)));
  await using upstream = await openaiUpstream(held.answer);
  await using gateway = await testGateway(upstream, settings);
  const { text } = await afterWaiting(gateway, held.letGo);
  assert.equal(text.split(long).length - 1, lines);
  assert.match(text, /data: \[DONE\]\n\n$/);
  assert.equal(warnings.mock.callCount(), 0);
});

suite('a stream that is passed on as it is', () => {
  test('is broken where it breaks off in an event after it had to wait, and nothing else is said', async (t) => {
    const noise = t.mock.method(console, 'error', () => undefined);
    const held = holding((res) => {
      res.writeHead(200, { 'content-type': 'text/event-stream' });
      res.write('data: {"id":"c","choices":[{"index":0,"delta":{"content":"Hel"}}]}\n\ndata: {"id"', () => {
        res.socket?.destroy();
      });
    });
    await using upstream = await openaiUpstream(held.answer);
    await using gateway = await testGateway(upstream, settings);
    await assert.rejects(afterWaiting(gateway, held.letGo), /terminated/);
    await until('the log line', () => gateway.log.some(({ error }) => error === 'upstream_incomplete'));
    assert.equal(noise.mock.callCount(), 0);
  });

  test('says that it waits, then is what the upstream sent', async () => {
    const held = holding(said);
    await using upstream = await openaiUpstream(held.answer);
    await using gateway = await testGateway(upstream, settings);
    const { head, text } = await afterWaiting(gateway, held.letGo);
    assert.equal(head.status, 200);
    assert.match(head.headers.get('content-type') ?? '', /^text\/event-stream/);
    assert.equal(head.headers.get('x-llamaduct-queue-position'), '1');
    const [, comments = '', rest = ''] = /^((?:: [^\n]*\n\n)+)(.*)$/s.exec(text) ?? [];
    assert.match(comments, /^: waiting, position 1, about \d+ s\n\n/);
    assert.equal(rest, await (await chat(gateway)).text());
  });

  test('tells of a refusal that comes after, once', async () => {
    const held = holding((res) => sendJson(res, 404, openaiError('No such model.', { code: 'model_not_found' })));
    await using upstream = await openaiUpstream(held.answer);
    await using gateway = await testGateway(upstream, settings);
    const { text } = await afterWaiting(gateway, held.letGo);
    const frames = text.split('\n\n').filter((frame) => frame.startsWith('data: '));
    assert.equal(frames.length, 1);
    const { error } = JSON.parse(frames[0]?.slice('data: '.length) ?? '') as { error: { code: string } };
    assert.equal(error.code, 'model_not_found');
    await until('the turn to come back', async () => {
      return (await gateway.metric('llamaduct_upstream_in_flight{upstream="openai"}')) === 0;
    });
    assert.equal((await chat(gateway)).status, 404);
  });

  test('is never asked for once its client has left', async () => {
    const held = holding(said);
    await using upstream = await openaiUpstream(held.answer);
    await using gateway = await testGateway(upstream, settings);
    const first = chat(gateway).then(async (response) => await response.text());
    await until('the first', () => upstream.requests.length === 1);
    const leaving = await chat(gateway);
    await leaving.body?.cancel();
    await until('it to leave', async () => (await gateway.metric('llamaduct_queue_depth{upstream="openai"}')) === 0);
    held.letGo();
    await first;
    assert.equal(upstream.requests.length, 1);
  });
});
