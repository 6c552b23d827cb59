import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Upstreams } from '../../src/config/schema.ts';
import { testGateway } from '../helpers/gateway.ts';
import { openaiError, openaiUpstream, sendJson } from '../helpers/openai-upstream.ts';
import { type Answer, type FakeUpstream, fakeUpstream, plainAnswer } from '../helpers/upstream.ts';
import { until } from '../helpers/wait.ts';
import { asked, boxes, failing, openBox, quick, said, silent } from './boxes.ts';
import { heldUpstream } from './held-upstream.ts';

const openai = { kind: 'openai' } as const;
const answering =
  (status: number, body: object, headers: Record<string, string> = {}): Answer =>
  (res) =>
    sendJson(res, status, body, headers);
const withoutMemory = { error: 'model requires more system memory (9 GiB) than is available (8 GiB)' };

/** The first is so much heavier that every conversation is at home there. */
function atHome(upstreams: readonly FakeUpstream[]): Upstreams {
  const [first, second] = boxes(upstreams);
  return [
    { ...first, weight: 100 },
    { ...(second ?? first), weight: 0.01 },
  ];
}

suite('asked once, of however many', () => {
  for (const [what, answer] of [
    ['a key that is refused', answering(401, openaiError('Wrong key.', { code: 'invalid_api_key' }))],
    ['a key that may not', answering(403, {})],
    ['an endpoint that is not there', answering(404, { detail: 'Not Found' })],
    ['a method that is not there', answering(405, {})],
    ['a quota that is used up', answering(429, openaiError('No.', { code: 'insufficient_quota' }))],
    ['too many requests', answering(429, openaiError('Slowly.'))],
    ['a request that is wrong', answering(400, openaiError('Wrong.'))],
    ['a quota that is used up, as a 503', answering(503, openaiError('No.', { code: 'insufficient_quota' }))],
  ] satisfies [string, Answer][]) {
    test(`${what}, of kind openai`, async () => {
      await using one = await openaiUpstream(answer, ['scripted-plain']);
      await using two = await openaiUpstream(answer, ['scripted-plain']);
      await using gateway = await testGateway(boxes([one, two], openai), quick);
      const response = await gateway.chat();
      assert.ok(response.status >= 400);
      await response.text();
      assert.equal(asked(one) + asked(two), 1);
    });
  }

  for (const status of [400, 401, 403, 429]) {
    test(`a ${status} of an Ollama`, async () => {
      await using one = await fakeUpstream(failing(status));
      await using two = await fakeUpstream(failing(status));
      await using gateway = await testGateway(boxes([one, two]), quick);
      const response = await gateway.chat();
      assert.equal(response.status, [401, 403].includes(status) ? 502 : status);
      await response.text();
      assert.equal(asked(one) + asked(two), 1);
    });
  }
});

suite('asked of another, and of the same never again', () => {
  for (const [what, answer] of [
    ['a model that does not fit', answering(500, withoutMemory)],
    ['a redirect', answering(302, {}, { location: 'http://127.0.0.1/login' })],
    ['a box that says nothing in time', silent],
  ] satisfies [string, Answer][]) {
    test(what, async () => {
      const settings = { ...quick, timeouts: { first_byte: '100ms', grace: '50ms' } };
      await using bad = await fakeUpstream(answer);
      {
        await using gateway = await testGateway(bad, settings);
        const response = await gateway.chat();
        assert.ok([502, 504].includes(response.status));
        await response.text();
      }
      assert.equal(asked(bad), 1);
      await using good = await fakeUpstream(plainAnswer());
      await using gateway = await testGateway(atHome([bad, good]), settings);
      assert.match(await said(gateway, 'hi'), /Hello/);
      assert.deepEqual([asked(bad), asked(good)], [2, 1]);
    });
  }
});

suite('a share of nothing', () => {
  test('lets nobody ask again', async () => {
    await using upstream = await fakeUpstream(failing(503));
    await using gateway = await testGateway(upstream, { ...quick, retries: { base: '5ms', share: 0 } });
    for (let count = 0; count < 3; count += 1) assert.equal((await gateway.chat()).status, 503);
    assert.equal(asked(upstream), 3);
  });

  test('is no matter where an upstream is lost and another takes over', async () => {
    const clients = 240;
    const leaving = await heldUpstream();
    await using other = await heldUpstream();
    await using gateway = await testGateway(boxes([leaving, other]), {
      ...quick,
      retries: { base: '5ms', share: 0 },
      timeouts: { grace: '50ms' },
    });
    const all = Array.from({ length: clients }, async (_, count) => await said(gateway, `conversation ${count}`));
    await until('all to be asked', () => leaving.held + other.held === clients);
    assert.ok(leaving.held > 100, `only ${leaving.held} are there`);
    await leaving[Symbol.asyncDispose]();
    await until('all to be at the other', () => other.held === clients);
    other.flow();
    await Promise.all(all);
  });
});

suite('a model that is not where it was last seen', () => {
  const having =
    (models: readonly string[]): Answer =>
    (res, request) => {
      const { model } = JSON.parse(request.body) as { model: string };
      const has = models.includes(model) || models.includes(`${model}:latest`);
      return (has ? plainAnswer() : failing(404))(res, request);
    };

  test('is found where it was pulled a moment ago', async () => {
    const [here, there] = [['old:latest'], ['old:latest']];
    await using one = await fakeUpstream(having(here), here);
    await using two = await fakeUpstream(having(there), there);
    await using gateway = await testGateway(atHome([one, two]), quick);
    there.push('new:latest');
    // For so long the lists are as good as new.
    await sleep(2_050);
    for (let count = 0; count < 10; count += 1) await said(gateway, `conversation ${count}`, { model: 'new' });
    assert.deepEqual([asked(one), asked(two)], [0, 10]);
  });

  test('is asked of the one that still has it', async () => {
    const [here, there] = [['moved:latest'], ['moved:latest']];
    await using one = await fakeUpstream(having(here), here);
    await using two = await fakeUpstream(having(there), there);
    await using gateway = await testGateway(boxes([one, two]), quick);
    here.pop();
    for (let count = 0; count < 10; count += 1) await said(gateway, `conversation ${count}`, { model: 'moved' });
    assert.ok(asked(one) > 0);
  });

  test('is asked of one whose list was never read, and not of one that does not list it', async () => {
    await using one = await openBox(['other']);
    await using two = await openBox();
    await using three = await openBox(['other']);
    one.chat = three.chat = answering(404, openaiError('The model does not exist.', { code: 'model_not_found' }));
    two.list = answering(404, {});
    await using gateway = await testGateway(boxes([one, two, three], openai), quick);
    for (let count = 0; count < 12; count += 1) {
      const before = asked(two);
      await said(gateway, `conversation ${count}`, { model: 'unlisted' });
      assert.equal(asked(two), before + 1);
    }
    assert.ok(asked(one) > 0 && asked(three) > 0);
    assert.ok(asked(one) + asked(three) < 12);
  });

  test('that nobody has makes no list request each time', async () => {
    const answer = answering(404, openaiError('The model does not exist.', { code: 'model_not_found' }));
    await using one = await openBox(['other']);
    await using two = await openBox(['other']);
    one.chat = two.chat = answer;
    await using gateway = await testGateway(boxes([one, two], openai), quick);
    for (let count = 0; count < 20; count += 1) {
      const response = await gateway.chat({ model: `nonsense-${count}` });
      assert.equal(response.status, 404);
      await response.text();
    }
    assert.equal(asked(one) + asked(two), 20);
    const lists = [one, two].flatMap(({ requests }) => requests).filter(({ method }) => method === 'GET').length;
    assert.ok(lists <= 6, `${lists} lists were read`);
  });
});

test('a queue that is full sends a request to one that is not', async () => {
  await using one = await heldUpstream();
  await using two = await heldUpstream();
  await using gateway = await testGateway(boxes([one, two], { parallel: 1 }), {
    ...quick,
    retries: { base: '5ms', share: 0 },
    queue: { waiting: 0 },
  });
  const both = [0, 1].map(async () => await said(gateway, 'the same conversation'));
  await until('both to be asked', () => one.held === 1 && two.held === 1);
  const third = await gateway.chat();
  assert.equal(third.status, 503);
  assert.match(await third.text(), /queue_full/);
  one.flow();
  two.flow();
  await Promise.all(both);
});
