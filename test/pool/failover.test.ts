import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { Upstreams } from '../../src/config/schema.ts';
import { testGateway } from '../helpers/gateway.ts';
import { type Answer, chatLine, fakeUpstream, ndjson, plainAnswer } from '../helpers/upstream.ts';
import { until } from '../helpers/wait.ts';
import { asked, boxes, failing, quick, resetting, said } from './boxes.ts';

suite('what fails before anything of an answer came', () => {
  for (const [what, answer] of [
    ['a 500', failing(500)],
    ['a 503', failing(503)],
    ['a reset', resetting],
  ] as const) {
    for (const stream of [false, true]) {
      test(`${what} is asked of another upstream, ${stream ? 'streamed' : 'whole'}`, async () => {
        await using bad = await fakeUpstream(answer);
        await using good = await fakeUpstream(plainAnswer());
        await using gateway = await testGateway(boxes([bad, good]), quick);
        for (let count = 0; count < 6; count += 1) {
          assert.match(await said(gateway, `conversation ${count}`, { stream }), /Hello/);
        }
        assert.equal(asked(good), 6);
        assert.ok(asked(bad) > 0, 'no conversation was at home there');
      });
    }
  }

  test('an upstream that is not there is asked again, and left out after some failures', async () => {
    await using good = await fakeUpstream(plainAnswer());
    const leaving = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(boxes([leaving, good]), {
      ...quick,
      health: { interval: '0s', failures: 2 },
    });
    await leaving[Symbol.asyncDispose]();
    for (let count = 0; count < 20; count += 1) await said(gateway, `conversation ${count}`);
    assert.equal(await gateway.metric('llamaduct_upstream_ejected{upstream="first"}'), 1);
    assert.equal(await gateway.metric('llamaduct_retries_total{upstream="first",code="upstream_unreachable"}'), 2);
  });

  test('is asked of the only upstream again, three times in all', async () => {
    let count = 0;
    await using upstream = await fakeUpstream((res, request) => {
      count += 1;
      return count < 3 ? failing(503)(res, request) : plainAnswer()(res, request);
    });
    await using gateway = await testGateway(upstream, quick);
    assert.match(await said(gateway, 'hi'), /Hello/);
    assert.equal(asked(upstream), 3);
  });

  test('is not asked of an upstream that does not have the model', async () => {
    let count = 0;
    await using only = await fakeUpstream(
      (res, request) => {
        count += 1;
        return count < 2 ? failing(503)(res, request) : plainAnswer()(res, request);
      },
      ['only-here:latest'],
    );
    await using other = await fakeUpstream(failing(404));
    await using gateway = await testGateway(boxes([only, other]), quick);
    assert.match(await said(gateway, 'hi', { model: 'only-here' }), /Hello/);
    assert.deepEqual([asked(only), asked(other)], [2, 0]);
  });

  test('ends at once when the client leaves in a pause', async () => {
    await using upstream = await fakeUpstream(failing(503));
    await using gateway = await testGateway(upstream, { ...quick, retries: { attempts: 3, base: '10s' } });
    const leaving = new AbortController();
    const left = gateway.chat({}, { signal: leaving.signal });
    await until('it to be asked', () => asked(upstream) === 1);
    leaving.abort();
    await assert.rejects(left);
    await until('it to end', async () => (await gateway.metric('llamaduct_in_flight')) === 1);
    assert.equal(asked(upstream), 1);
  });
});

test('what fails after something of an answer came is not asked again', async () => {
  const half: Answer = async (res) => {
    await new Promise<void>((resolve) => {
      ndjson(res).write(chatLine('half'), () => resolve());
    });
    setTimeout(() => res.destroy(), 20);
  };
  await using one = await fakeUpstream(half);
  await using two = await fakeUpstream(half);
  await using gateway = await testGateway(boxes([one, two]), quick);
  const text = await said(gateway, 'hi', { stream: true });
  assert.match(text, /half[^]*"error"/);
  assert.doesNotMatch(text, /\[DONE\]/);
  const whole = await gateway.chat({ messages: [{ role: 'user', content: 'hi' }] });
  assert.equal(whole.status, 502);
  await whole.text();
  assert.equal(asked(one) + asked(two), 2);
});

test('a stream that has only said that it waits is asked of another upstream too', async () => {
  const { promise: gone, resolve: letGo } = Promise.withResolvers<void>();
  const late: Answer = async (res, request) => {
    await gone;
    await failing(500)(res, request);
  };
  await using bad = await fakeUpstream(late);
  await using good = await fakeUpstream(plainAnswer());
  const [first, second] = boxes([bad, good]);
  // So much heavier that every conversation is at home there.
  const upstreams: Upstreams = [
    { ...first, weight: 100 },
    { ...(second ?? first), weight: 0.01 },
  ];
  await using gateway = await testGateway(upstreams, { ...quick, timeouts: { silence: '20ms' } });
  const response = await gateway.chat({ stream: true });
  assert.equal(response.status, 200);
  letGo();
  const text = await response.text();
  assert.match(text, /^: waiting for the model\n\n/);
  assert.match(text, /Hello[^]*\[DONE\]/);
});
