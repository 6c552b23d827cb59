import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { hashSecret } from '../../src/config/secret.ts';
import { type TestGateway, secret, testGateway } from '../helpers/gateway.ts';
import { sendJson } from '../helpers/answers.ts';
import { openaiError, saying } from '../helpers/openai-answers.ts';
import { type Answer, openaiUpstream } from '../helpers/upstream.ts';
import { until } from '../helpers/wait.ts';

/** Settings for an OpenAI-compatible upstream with one slot: chat completions are passed through. */
const settings = {
  keys: [{ name: 'tester', hash: hashSecret(secret), scopes: ['inference', 'metrics'] }],
  upstream: { kind: 'openai', name: 'openai', parallel: 1 },
  timeouts: { silence: '50ms' },
} as const;
const hello = saying('hello', ' there');

/** Holds the first request until its release, and gives `answer` to the others. */
function holding(answer: Answer): { answer: Answer; release: () => void } {
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  let first = true;
  return {
    release,
    answer: async (res, request) => {
      if (!first) return await answer(res, request);
      first = false;
      await released;
      return await hello(res, request);
    },
  };
}

async function chat(gateway: TestGateway): Promise<Response> {
  return await gateway.chat({ model: 'scripted', stream: true }, { signal: AbortSignal.timeout(10_000) });
}

/** Sends two chats, and calls `release` once the second has sent a heartbeat. Returns the response of the second. */
async function afterWaiting(gateway: TestGateway, release: () => void): Promise<{ head: Response; text: string }> {
  const first = chat(gateway).then(async (response) => await response.text());
  await until(
    'the first request',
    async () => (await gateway.metric('llamaduct_upstream_in_flight{upstream="openai"}')) === 1,
  );
  const head = await chat(gateway);
  release();
  const text = await head.text();
  await first;
  return { head, text };
}

/** More than all socket buffers between client and upstream hold. */
const lines = 3_000;
const long = 'x'.repeat(4_000);

test('a passed-through answer of 12 MB after heartbeats is complete', async (t) => {
  const warnings = t.mock.fn();
  process.on('warning', warnings);
  t.after(() => process.off('warning', warnings));
  const held = holding(saying(...Array.from({ length: lines }, () => long)));
  await using upstream = await openaiUpstream(held.answer);
  await using gateway = await testGateway(upstream, settings);
  const { text } = await afterWaiting(gateway, held.release);
  assert.equal(text.split(long).length - 1, lines);
  assert.match(text, /data: \[DONE\]\n\n$/);
  assert.equal(warnings.mock.callCount(), 0);
});

suite('a passed-through stream with heartbeats', () => {
  test('is cut off without an error event when the upstream breaks off within an event', async (t) => {
    const errors = t.mock.method(console, 'error', () => undefined);
    const held = holding((res) => {
      res.writeHead(200, { 'content-type': 'text/event-stream' });
      res.write('data: {"id":"c","choices":[{"index":0,"delta":{"content":"Hel"}}]}\n\ndata: {"id"', () => {
        res.socket?.destroy();
      });
    });
    await using upstream = await openaiUpstream(held.answer);
    await using gateway = await testGateway(upstream, settings);
    await assert.rejects(afterWaiting(gateway, held.release), /terminated/);
    await until('the log line', () => gateway.log.some(({ error }) => error === 'upstream_incomplete'));
    assert.equal(errors.mock.callCount(), 0);
  });

  test('reports the queue position, then has the bytes of the upstream', async () => {
    const held = holding(hello);
    await using upstream = await openaiUpstream(held.answer);
    await using gateway = await testGateway(upstream, settings);
    const { head, text } = await afterWaiting(gateway, held.release);
    assert.equal(head.status, 200);
    assert.match(head.headers.get('content-type') ?? '', /^text\/event-stream/);
    assert.equal(head.headers.get('x-llamaduct-queue-position'), '1');
    const [, comments = '', rest = ''] = /^((?:: [^\n]*\n\n)+)(.*)$/s.exec(text) ?? [];
    assert.match(comments, /^: waiting, position 1, about \d+ s\n\n/);
    assert.equal(rest, await (await chat(gateway)).text());
  });

  test('has one error event when the upstream refuses after a heartbeat', async () => {
    const held = holding((res) => sendJson(res, 404, openaiError('No such model.', { code: 'model_not_found' })));
    await using upstream = await openaiUpstream(held.answer);
    await using gateway = await testGateway(upstream, settings);
    const { text } = await afterWaiting(gateway, held.release);
    const frames = text.split('\n\n').filter((frame) => frame.startsWith('data: '));
    assert.equal(frames.length, 1);
    const { error } = JSON.parse(frames[0]?.slice('data: '.length) ?? '') as { error: { code: string } };
    assert.equal(error.code, 'model_not_found');
    await until('the release of the slot', async () => {
      return (await gateway.metric('llamaduct_upstream_in_flight{upstream="openai"}')) === 0;
    });
    assert.equal((await chat(gateway)).status, 404);
  });

  test('never reaches the upstream when the client disconnects in the queue', async () => {
    const held = holding(hello);
    await using upstream = await openaiUpstream(held.answer);
    await using gateway = await testGateway(upstream, settings);
    const first = chat(gateway).then(async (response) => await response.text());
    await until('the first request', () => upstream.requests.length === 1);
    const queued = await chat(gateway);
    await queued.body?.cancel();
    await until('an empty queue', async () => (await gateway.metric('llamaduct_queue_depth{upstream="openai"}')) === 0);
    held.release();
    await first;
    assert.equal(upstream.requests.length, 1);
  });
});
