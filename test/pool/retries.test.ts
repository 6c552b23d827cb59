import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { json, silent } from '../helpers/answers.ts';
import { skipTime } from '../helpers/clock.ts';
import { testGateway } from '../helpers/gateway.ts';
import { heldUpstream } from '../helpers/held-upstream.ts';
import { failing, plainAnswer } from '../helpers/ollama-answers.ts';
import { openaiError, saying } from '../helpers/openai-answers.ts';
import { type Answer, fakeUpstream, openaiUpstream } from '../helpers/upstream.ts';
import { until } from '../helpers/wait.ts';
import { chatText, fastRetries, postsTo, preferFirst, upstreamsAt } from './upstreams.ts';

const openai = { kind: 'openai' } as const;
const outOfMemory = { error: 'model requires more system memory (9 GiB) than is available (8 GiB)' };

suite('an answer that is final', () => {
  for (const [failure, answer] of [
    ['a 401 for the upstream key', json(401, openaiError('Wrong key.', { code: 'invalid_api_key' }))],
    ['a 403', json(403, {})],
    ['a 429 for a used-up quota', json(429, openaiError('No.', { code: 'insufficient_quota' }))],
    ['a 429 for too many requests', json(429, openaiError('Slowly.'))],
    ['a 400', json(400, openaiError('Wrong.'))],
    ['a 503 for a used-up quota', json(503, openaiError('No.', { code: 'insufficient_quota' }))],
  ] satisfies [string, Answer][]) {
    test(`is not retried: ${failure} of an OpenAI-compatible server`, async () => {
      await using first = await openaiUpstream(answer, ['scripted-plain']);
      await using second = await openaiUpstream(answer, ['scripted-plain']);
      await using gateway = await testGateway(upstreamsAt([first, second], openai), fastRetries);
      const response = await gateway.chat();
      assert.ok(response.status >= 400);
      await response.text();
      assert.equal(postsTo(first) + postsTo(second), 1);
    });
  }

  for (const status of [400, 401, 403, 429]) {
    test(`is not retried: a ${status} of Ollama`, async () => {
      await using first = await fakeUpstream(failing(status));
      await using second = await fakeUpstream(failing(status));
      await using gateway = await testGateway(upstreamsAt([first, second]), fastRetries);
      const response = await gateway.chat();
      assert.equal(response.status, [401, 403].includes(status) ? 502 : status);
      await response.text();
      assert.equal(postsTo(first) + postsTo(second), 1);
    });
  }
});

suite('a server of another kind than configured', () => {
  for (const [failure, answer] of [
    ['a 404 for an unknown path', json(404, { detail: 'Not Found' })],
    ['a 405', json(405, {})],
  ] satisfies [string, Answer][]) {
    test(`does not fail a request that another one can serve: ${failure}`, async () => {
      await using bad = await openaiUpstream(answer, ['scripted-plain']);
      await using good = await openaiUpstream(saying('Hello'), ['scripted-plain']);
      await using gateway = await testGateway(upstreamsAt([bad, good], openai), fastRetries);
      assert.equal((await gateway.chat()).status, 200);
      assert.equal((await gateway.chat()).status, 200);
    });
  }
});

suite('a failure of one upstream only', { concurrency: true }, () => {
  for (const [failure, answer] of [
    ['a model that does not fit into memory', json(500, outOfMemory)],
    ['a redirect', json(302, {}, { location: 'http://127.0.0.1/login' })],
    ['no answer before the timeout', silent],
  ] satisfies [string, Answer][]) {
    test(`is retried on another upstream, never on the same: ${failure}`, async () => {
      const settings = { ...fastRetries, timeouts: { first_byte: '100ms', grace: '50ms' } };
      await using bad = await fakeUpstream(answer);
      {
        await using gateway = await testGateway(bad, settings);
        const response = await gateway.chat();
        assert.ok([502, 504].includes(response.status));
        await response.text();
      }
      assert.equal(postsTo(bad), 1);
      await using good = await fakeUpstream(plainAnswer());
      await using gateway = await testGateway(preferFirst([bad, good]), settings);
      assert.match(await chatText(gateway, 'hi'), /Hello/);
      assert.deepEqual([postsTo(bad), postsTo(good)], [2, 1]);
    });
  }
});

suite('a retry share of 0', () => {
  test('allows no retry', async () => {
    await using upstream = await fakeUpstream(failing(503));
    await using gateway = await testGateway(upstream, { ...fastRetries, retries: { base: '5ms', share: 0 } });
    for (let count = 0; count < 3; count += 1) assert.equal((await gateway.chat()).status, 503);
    assert.equal(postsTo(upstream), 3);
  });

  test('still lets all requests of a lost upstream move to another one', async () => {
    const clients = 240;
    const leaving = await heldUpstream();
    await using other = await heldUpstream();
    await using gateway = await testGateway(upstreamsAt([leaving, other]), {
      ...fastRetries,
      retries: { base: '5ms', share: 0 },
      timeouts: { grace: '50ms' },
    });
    const chats = Array.from({ length: clients }, async (_, count) => await chatText(gateway, `conversation ${count}`));
    await until('all requests to reach an upstream', () => leaving.held + other.held === clients);
    assert.ok(leaving.held > 100, `only ${leaving.held} are at the first upstream`);
    await leaving[Symbol.asyncDispose]();
    await until('all requests to reach the other upstream', () => other.held === clients);
    other.flow();
    await Promise.all(chats);
  });

  test('still sends a request with a full queue to another upstream', async () => {
    await using first = await heldUpstream();
    await using second = await heldUpstream();
    await using gateway = await testGateway(upstreamsAt([first, second], { parallel: 1 }), {
      ...fastRetries,
      retries: { base: '5ms', share: 0 },
      queue: { waiting: 0 },
    });
    const both = [0, 1].map(async () => await chatText(gateway, 'the same conversation'));
    await until('one request at each upstream', () => first.held === 1 && second.held === 1);
    const third = await gateway.chat();
    assert.equal(third.status, 503);
    assert.match(await third.text(), /queue_full/);
    first.flow();
    second.flow();
    await Promise.all(both);
  });
});

suite('a model that is not where it was last listed', () => {
  const serving =
    (models: readonly string[]): Answer =>
    (res, request) => {
      const { model } = JSON.parse(request.body) as { model: string };
      const has = models.includes(model) || models.includes(`${model}:latest`);
      return (has ? plainAnswer() : failing(404))(res, request);
    };

  test('is found on the upstream that has just pulled it', async (t) => {
    const [here, there] = [['old:latest'], ['old:latest']];
    await using first = await fakeUpstream(serving(here), here);
    await using second = await fakeUpstream(serving(there), there);
    await using gateway = await testGateway(preferFirst([first, second]), fastRetries);
    there.push('new:latest');
    // The model lists are cached for two seconds.
    skipTime(t, 2_050);
    for (let count = 0; count < 10; count += 1) await chatText(gateway, `conversation ${count}`, { model: 'new' });
    assert.deepEqual([postsTo(first), postsTo(second)], [0, 10]);
  });

  test('is retried after a 404 on the upstream that still has it', async () => {
    const [here, there] = [['moved:latest'], ['moved:latest']];
    await using first = await fakeUpstream(serving(here), here);
    await using second = await fakeUpstream(serving(there), there);
    await using gateway = await testGateway(upstreamsAt([first, second]), fastRetries);
    here.pop();
    for (let count = 0; count < 10; count += 1) await chatText(gateway, `conversation ${count}`, { model: 'moved' });
    assert.ok(postsTo(first) > 0);
  });

  test('is retried on an upstream without a list, not on one whose list lacks it', async () => {
    const unknownModel = json(404, openaiError('The model does not exist.', { code: 'model_not_found' }));
    await using first = await openaiUpstream(unknownModel, ['other']);
    await using second = await openaiUpstream(saying('Hello'), ['scripted-plain']);
    await using third = await openaiUpstream(unknownModel, ['other']);
    second.list = json(404, {});
    await using gateway = await testGateway(upstreamsAt([first, second, third], openai), fastRetries);
    for (let count = 0; count < 12; count += 1) {
      const before = postsTo(second);
      await chatText(gateway, `conversation ${count}`, { model: 'unlisted' });
      assert.equal(postsTo(second), before + 1);
    }
    assert.ok(postsTo(first) > 0 && postsTo(third) > 0);
    assert.ok(postsTo(first) + postsTo(third) < 12);
  });

  test('does not make each request read the lists when no upstream has it', async () => {
    const unknownModel = json(404, openaiError('The model does not exist.', { code: 'model_not_found' }));
    await using first = await openaiUpstream(unknownModel, ['other']);
    await using second = await openaiUpstream(unknownModel, ['other']);
    await using gateway = await testGateway(upstreamsAt([first, second], openai), fastRetries);
    for (let count = 0; count < 20; count += 1) {
      const response = await gateway.chat({ model: `nonsense-${count}` });
      assert.equal(response.status, 404);
      await response.text();
    }
    assert.equal(postsTo(first) + postsTo(second), 20);
    const lists = first.lists.length + second.lists.length;
    assert.ok(lists <= 6, `${lists} lists were read`);
  });
});
