import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { resetting } from '../helpers/answers.ts';
import { testGateway } from '../helpers/gateway.ts';
import { chatLine, failing, ndjson, plainAnswer } from '../helpers/ollama-answers.ts';
import { type Answer, fakeUpstream } from '../helpers/upstream.ts';
import { until } from '../helpers/wait.ts';
import { chatText, fastRetries, isEjected, postsTo, preferFirst, upstreamsAt } from './upstreams.ts';

suite('failover before the first byte of an answer', () => {
  for (const [failure, answer] of [
    ['a 500', failing(500)],
    ['a 503', failing(503)],
    ['a connection reset', resetting],
  ] as const) {
    for (const stream of [false, true]) {
      test(`retries ${failure} on another upstream, ${stream ? 'streamed' : 'not streamed'}`, async () => {
        await using bad = await fakeUpstream(answer);
        await using good = await fakeUpstream(plainAnswer());
        await using gateway = await testGateway(upstreamsAt([bad, good]), fastRetries);
        for (let count = 0; count < 6; count += 1) {
          assert.match(await chatText(gateway, `conversation ${count}`, { stream }), /Hello/);
        }
        assert.equal(postsTo(good), 6);
        assert.ok(postsTo(bad) > 0, 'no conversation preferred the failing upstream');
      });
    }
  }

  test('retries an unreachable upstream on another one, and ejects it after two failures', async () => {
    await using good = await fakeUpstream(plainAnswer());
    const leaving = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstreamsAt([leaving, good]), {
      ...fastRetries,
      health: { interval: '0s', failures: 2 },
    });
    await leaving[Symbol.asyncDispose]();
    for (let count = 0; count < 20; count += 1) await chatText(gateway, `conversation ${count}`);
    assert.equal(await isEjected(gateway, 'first'), true);
    assert.equal(await gateway.metric('llamaduct_retries_total{upstream="first",code="upstream_unreachable"}'), 2);
  });

  test('retries on the only upstream until the third attempt succeeds', async () => {
    let count = 0;
    await using upstream = await fakeUpstream((res, request) => {
      count += 1;
      return count < 3 ? failing(503)(res, request) : plainAnswer()(res, request);
    });
    await using gateway = await testGateway(upstream, fastRetries);
    assert.match(await chatText(gateway, 'hi'), /Hello/);
    assert.equal(postsTo(upstream), 3);
  });

  test('does not retry on an upstream that lacks the model', async () => {
    let count = 0;
    await using owner = await fakeUpstream(
      (res, request) => {
        count += 1;
        return count < 2 ? failing(503)(res, request) : plainAnswer()(res, request);
      },
      ['only-here:latest'],
    );
    await using other = await fakeUpstream(failing(404));
    await using gateway = await testGateway(upstreamsAt([owner, other]), fastRetries);
    assert.match(await chatText(gateway, 'hi', { model: 'only-here' }), /Hello/);
    assert.deepEqual([postsTo(owner), postsTo(other)], [2, 0]);
  });

  test('ends at once when the client disconnects during the pause before a retry', async () => {
    await using upstream = await fakeUpstream(failing(503));
    await using gateway = await testGateway(upstream, { ...fastRetries, retries: { attempts: 3, base: '10s' } });
    const controller = new AbortController();
    const response = gateway.chat({}, { signal: controller.signal });
    await until('the first attempt', () => postsTo(upstream) === 1);
    controller.abort();
    await assert.rejects(response);
    await until('the request to end', async () => (await gateway.metric('llamaduct_in_flight')) === 1);
    assert.equal(postsTo(upstream), 1);
  });

  test('retries a stream of which only heartbeats have been sent', async () => {
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    const late: Answer = async (res, request) => {
      await released;
      await failing(500)(res, request);
    };
    await using bad = await fakeUpstream(late);
    await using good = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(preferFirst([bad, good]), {
      ...fastRetries,
      timeouts: { silence: '20ms' },
    });
    const response = await gateway.chat({ stream: true });
    assert.equal(response.status, 200);
    release();
    const text = await response.text();
    assert.match(text, /^: waiting for the model\n\n/);
    assert.match(text, /Hello[^]*\[DONE\]/);
  });
});

suite('failover after the first byte of an answer', () => {
  test('does not retry: a stream ends with an error, a whole answer is a 502', async () => {
    const half: Answer = async (res) => {
      await new Promise<void>((resolve) => {
        ndjson(res).write(chatLine('half'), () => resolve());
      });
      setTimeout(() => res.destroy(), 20);
    };
    await using first = await fakeUpstream(half);
    await using second = await fakeUpstream(half);
    await using gateway = await testGateway(upstreamsAt([first, second]), fastRetries);
    const text = await chatText(gateway, 'hi', { stream: true });
    assert.match(text, /half[^]*"error"/);
    assert.doesNotMatch(text, /\[DONE\]/);
    const whole = await gateway.chat({ messages: [{ role: 'user', content: 'hi' }] });
    assert.equal(whole.status, 502);
    await whole.text();
    assert.equal(postsTo(first) + postsTo(second), 2);
  });
});
