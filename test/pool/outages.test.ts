import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { resetting, silent } from '../helpers/answers.ts';
import { type TestGateway, testGateway } from '../helpers/gateway.ts';
import { heldUpstream } from '../helpers/held-upstream.ts';
import { chatLine, doneLine, failing, ndjson, plainAnswer } from '../helpers/ollama-answers.ts';
import { type Answer, fakeUpstream } from '../helpers/upstream.ts';
import { until } from '../helpers/wait.ts';
import { isEjected, queueDepth, upstreamsAt } from './upstreams.ts';

/** Milliseconds for an answer that must not wait: less than any timeout of a list. */
const atOnce = 1_000;
const unwatched = { retries: { attempts: 3, base: '5ms' }, health: { interval: '0s', failures: 1 } };
const watched = { retries: { attempts: 3, base: '5ms' }, health: { interval: '30ms', failures: 2 } };

async function get(gateway: TestGateway, path: string): Promise<{ status: number; text: string; took: number }> {
  const since = performance.now();
  const response = await gateway.fetch(path);
  const text = await response.text();
  return { status: response.status, text, took: performance.now() - since };
}

/** Names in a list of models. */
function namesIn(text: string): string[] {
  const { data } = JSON.parse(text) as { data: { id: string }[] };
  return data.map(({ id }) => id);
}

async function chat(
  gateway: TestGateway,
  content: string,
  body: object = {},
): Promise<{ status: number; text: string }> {
  const response = await gateway.chat({ messages: [{ role: 'user', content }], ...body });
  return { status: response.status, text: await response.text() };
}

/** An answer that sends its first word at once, and its end once `finish` has been called. */
function inTwoParts(): { answer: Answer; finish: () => void } {
  const { promise: finished, resolve: finish } = Promise.withResolvers<void>();
  const answer: Answer = async (res) => {
    ndjson(res).write(chatLine('Hello'));
    await finished;
    res.end(doneLine());
  };
  return { answer, finish };
}

suite('an upstream that does not answer list requests', () => {
  test('is waited for once, for two seconds, when another one answers', async () => {
    await using hung = await fakeUpstream(plainAnswer());
    await using other = await fakeUpstream(plainAnswer(), ['alpha:latest']);
    hung.list = silent;
    const since = performance.now();
    await using gateway = await testGateway(upstreamsAt([hung, other]), {
      ...unwatched,
      default_model: 'alpha',
      default_for_unknown: true,
    });
    const started = performance.now() - since;
    assert.ok(started < 5_000, `the first list took ${started} ms`);
    const { status, text, took } = await get(gateway, '/v1/models');
    assert.deepEqual([status, namesIn(text)], [200, ['alpha:latest']]);
    assert.ok(took < atOnce, `/v1/models: ${took} ms`);
    for (const path of ['/readyz', '/v1/models/alpha', '/v1/models/alpha:latest']) {
      const answer = await get(gateway, path);
      assert.equal(answer.status, 200, path);
      assert.ok(answer.took < atOnce, `${path}: ${answer.took} ms`);
    }
    const before = performance.now();
    assert.equal((await chat(gateway, 'hi', { model: 'nobody-knows-it' })).status, 200);
    assert.ok(performance.now() - before < atOnce, 'an unknown model waited for the list');
    assert.equal(hung.lists.length, 1);
  });

  test('gets no list request while it is ejected, and keeps its models of the last list', async () => {
    await using ejected = await fakeUpstream(resetting, ['alpha:latest']);
    await using other = await fakeUpstream(plainAnswer(), ['beta:latest']);
    await using gateway = await testGateway(upstreamsAt([ejected, other]), unwatched);
    ejected.list = silent;
    await chat(gateway, 'hi', { model: 'alpha' });
    assert.equal(await isEjected(gateway, 'first'), true);
    const { length: before } = ejected.lists;
    // For a model that no upstream has, the lists are read anew.
    assert.equal((await get(gateway, '/v1/models/gamma')).status, 404);
    for (const path of ['/readyz', '/v1/models', '/v1/models/alpha', '/v1/models/beta']) {
      const { status, text, took } = await get(gateway, path);
      assert.equal(status, 200, path);
      assert.ok(took < atOnce, `${path}: ${took} ms`);
      if (path === '/v1/models') assert.deepEqual(namesIn(text).toSorted(), ['alpha:latest', 'beta:latest']);
    }
    assert.equal(ejected.lists.length, before);
  });
});

suite('the lists of several upstreams', () => {
  const paths = ['/api/tags', '/api/ps'];

  test('are a 503 at once when all are ejected', async () => {
    await using first = await fakeUpstream(plainAnswer());
    await using second = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstreamsAt([first, second]), watched);
    first.list = second.list = resetting;
    for (const name of ['first', 'second']) {
      await until(`the ejection of the ${name}`, async () => await isEjected(gateway, name));
    }
    for (const path of [...paths, '/v1/models', '/readyz']) {
      const { status, text } = await get(gateway, path);
      assert.equal(status, 503, `${path}: ${text}`);
      assert.match(text, path === '/readyz' ? /no upstream answers/ : /No upstream can be reached/, path);
    }
  });

  test("are the first upstream's error when none answers, and a list when one answers", async () => {
    await using first = await fakeUpstream(resetting, ['alpha:latest']);
    await using second = await fakeUpstream(resetting, ['beta:latest']);
    await using gateway = await testGateway(upstreamsAt([first, second]), { health: { interval: '0s' } });
    const { list } = second;
    first.list = second.list = resetting;
    for (const path of paths) {
      const { status, text } = await get(gateway, path);
      assert.equal(status, 502, path);
      assert.match(text, /"error"/);
    }
    second.list = second.answer = list;
    for (const path of paths) {
      const { status, text } = await get(gateway, path);
      assert.deepEqual([status, /alpha/.test(text), /beta/.test(text)], [200, false, true], path);
    }
  });
});

suite('a request in the queue of an upstream that is ejected', () => {
  test('moves to another upstream', async () => {
    await using hung = await heldUpstream();
    await using other = await heldUpstream();
    await using gateway = await testGateway(upstreamsAt([hung, other], { parallel: 1 }), {
      ...watched,
      timeouts: { grace: '50ms' },
    });
    const answers = Array.from({ length: 6 }, (_, index) => chat(gateway, `conversation ${index}`));
    await until('two queues with four requests', async () => {
      return (await queueDepth(gateway, 'first')) + (await queueDepth(gateway, 'second')) === 4;
    });
    assert.ok((await queueDepth(gateway, 'first')) > 0);
    hung.list = resetting;
    await until('the ejection', async () => await isEjected(gateway, 'first'));
    await until('an empty queue', async () => (await queueDepth(gateway, 'first')) === 0);
    other.flow();
    await until('five requests at the other upstream', () => other.order.length === 5);
    await until('its empty queue', async () => (await queueDepth(gateway, 'second')) === 0);
    assert.equal(hung.order.length, 1);
    hung.flow();
    for (const { status, text } of await Promise.all(answers)) assert.equal(status, 200, text);
  });

  test('stays when there is no other upstream', async () => {
    await using upstream = await heldUpstream();
    await using gateway = await testGateway(upstream, { ...watched, upstream: { parallel: 1 } });
    const answers = ['a', 'b'].map(async (content) => await chat(gateway, content));
    await until('one queued request', async () => (await queueDepth(gateway, 'ollama')) === 1);
    const { list } = upstream;
    upstream.list = resetting;
    await until('the ejection', async () => await isEjected(gateway, 'ollama'));
    assert.equal(await queueDepth(gateway, 'ollama'), 1);
    upstream.list = list;
    upstream.flow();
    for (const { status } of await Promise.all(answers)) assert.equal(status, 200);
  });

  test('stays when it is one choice of an answer that has begun', async () => {
    await using first = await heldUpstream();
    await using second = await heldUpstream();
    await using gateway = await testGateway(upstreamsAt([first, second], { parallel: 1 }), watched);
    const head = gateway.chat({ n: 2, stream: true });
    await until('the first choice', () => first.held + second.held === 1);
    const [serving, name] = first.held === 1 ? [first, 'first'] : [second, 'second'];
    await until('the second choice to be queued', async () => (await queueDepth(gateway, name)) === 1);
    const { answer, finish } = inTwoParts();
    serving.release(answer);
    const response = await head;
    serving.list = resetting;
    await until('the ejection', async () => await isEjected(gateway, name));
    assert.equal(await queueDepth(gateway, name), 1);
    finish();
    serving.flow();
    const text = await response.text();
    assert.match(text, /\[DONE\]\n\n$/);
    assert.doesNotMatch(text, /"error"/);
    assert.equal(first.order.length + second.order.length, 2);
  });
});

suite('the timeout of the first token', { concurrency: true }, () => {
  for (const n of [1, 2]) {
    test(`starts anew on the next upstream: n = ${n}`, async () => {
      await using bad = await heldUpstream(['shared:latest']);
      const { answer, finish } = inTwoParts();
      await using busy = await fakeUpstream(answer, ['shared:latest', 'own:latest']);
      const [first, second] = upstreamsAt([bad, busy], { parallel: 1 });
      // So much weight that every conversation prefers it.
      const upstreams = [{ ...first, parallel: 2, weight: 1000 }, second ?? first] as const;
      await using gateway = await testGateway(upstreams, {
        retries: { attempts: 3, base: '5ms' },
        health: { interval: '0s' },
        timeouts: { first_token: '500ms' },
      });
      const own = chat(gateway, 'own', { model: 'own' });
      await until('the other upstream to be busy', () => busy.requests.length > 0);
      const moved = chat(gateway, 'shared', { model: 'shared', n });
      await until('its requests', () => bad.held === n);
      await sleep(300);
      bad.release(failing(500));
      await until('its requests at the other upstream', async () => (await queueDepth(gateway, 'second')) === n);
      await sleep(300);
      finish();
      assert.equal((await own).status, 200);
      const { status, text } = await moved;
      assert.equal(status, 200, text);
    });

    test(`ends an answer without a token with a 504: n = ${n}`, async () => {
      await using upstream = await fakeUpstream(silent);
      await using gateway = await testGateway(upstream, {
        timeouts: { first_token: '60ms' },
        upstream: { parallel: 1 },
      });
      const { status, text } = await chat(gateway, 'hi', { n });
      assert.equal(status, 504, text);
      assert.match(text, /first_token_timeout/);
    });
  }
});
