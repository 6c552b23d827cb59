import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type TestGateway, testGateway } from '../helpers/gateway.ts';
import { until } from '../helpers/wait.ts';
import { begin, box, end, saying, upstreamsOf } from './box.ts';

/** Milliseconds for what must not wait for anybody: less than any deadline there is for lists. */
const atOnce = 1_000;
const unwatched = { retries: { attempts: 3, base: '5ms' }, health: { interval: '0s', failures: 1 } };
const watched = { retries: { attempts: 3, base: '5ms' }, health: { interval: '30ms', failures: 2 } };

async function ask(gateway: TestGateway, path: string): Promise<{ status: number; text: string; took: number }> {
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

async function say(
  gateway: TestGateway,
  content: string,
  body: object = {},
): Promise<{ status: number; text: string }> {
  const response = await gateway.chat({ messages: [{ role: 'user', content }], ...body });
  return { status: response.status, text: await response.text() };
}

suite('an upstream that does not list its models', () => {
  test('is waited for once, for two seconds, where another one does', async () => {
    await using hung = await box();
    await using other = await box(['alpha:latest']);
    hung.lists = 'unanswered';
    const since = performance.now();
    await using gateway = await testGateway(upstreamsOf([hung, other]), {
      ...unwatched,
      default_model: 'alpha',
      default_for_unknown: true,
    });
    const started = performance.now() - since;
    assert.ok(started < 5_000, `the first list took ${started} ms`);
    const { status, text, took } = await ask(gateway, '/v1/models');
    assert.deepEqual([status, namesIn(text)], [200, ['alpha:latest']]);
    assert.ok(took < atOnce, `/v1/models: ${took} ms`);
    for (const path of ['/readyz', '/v1/models/alpha', '/v1/models/alpha:latest']) {
      const answer = await ask(gateway, path);
      assert.equal(answer.status, 200, path);
      assert.ok(answer.took < atOnce, `${path}: ${answer.took} ms`);
    }
    const before = performance.now();
    assert.equal((await say(gateway, 'hi', { model: 'nobody-knows-it' })).status, 200);
    assert.ok(performance.now() - before < atOnce, 'a name that nobody knows waited for it');
    assert.equal(hung.listed, 1);
  });

  test('is not asked while it is out, and its last list stands', async () => {
    await using out = await box(['alpha:latest']);
    await using other = await box(['beta:latest']);
    await using gateway = await testGateway(upstreamsOf([out, other]), unwatched);
    out.lists = 'unanswered';
    out.answer = (res) => void res.destroy();
    await say(gateway, 'hi', { model: 'alpha' });
    assert.equal(await gateway.metric('llamaduct_upstream_ejected{upstream="a"}'), 1);
    const asked = out.listed;
    // A model that nobody has: its lists are read anew.
    assert.equal((await ask(gateway, '/v1/models/gamma')).status, 404);
    for (const path of ['/readyz', '/v1/models', '/v1/models/alpha', '/v1/models/beta']) {
      const { status, text, took } = await ask(gateway, path);
      assert.equal(status, 200, path);
      assert.ok(took < atOnce, `${path}: ${took} ms`);
      if (path === '/v1/models') assert.deepEqual(namesIn(text).toSorted(), ['alpha:latest', 'beta:latest']);
    }
    assert.equal(out.listed, asked);
  });
});

suite('lists of several upstreams', () => {
  const paths = ['/api/tags', '/api/ps'];

  test('are a 503 at once where all are out', async () => {
    await using one = await box();
    await using two = await box();
    await using gateway = await testGateway(upstreamsOf([one, two]), watched);
    for (const each of [one, two]) each.lists = 'reset';
    for (const name of ['a', 'b']) {
      await until(`${name} to be out`, async () => {
        return (await gateway.metric(`llamaduct_upstream_ejected{upstream="${name}"}`)) === 1;
      });
    }
    for (const path of [...paths, '/v1/models', '/readyz']) {
      const { status, text } = await ask(gateway, path);
      assert.equal(status, 503, `${path}: ${text}`);
      assert.match(text, path === '/readyz' ? /no upstream answers/ : /No upstream can be reached/, path);
    }
  });

  test('are what the first failed with where none answers, and one that answers is enough', async () => {
    await using one = await box(['alpha:latest']);
    await using two = await box(['beta:latest']);
    await using gateway = await testGateway(upstreamsOf([one, two]), { health: { interval: '0s' } });
    for (const each of [one, two]) each.lists = 'reset';
    for (const path of paths) {
      const { status, text } = await ask(gateway, path);
      assert.equal(status, 502, path);
      assert.match(text, /"error"/);
    }
    two.lists = 'told';
    for (const path of paths) {
      const { status, text } = await ask(gateway, path);
      assert.deepEqual([status, /alpha/.test(text), /beta/.test(text)], [200, false, true], path);
    }
  });
});

const depth = async (gateway: TestGateway, upstream: string): Promise<number> =>
  await gateway.metric(`llamaduct_queue_depth{upstream="${upstream}"}`);
const isOut = async (gateway: TestGateway, upstream: string): Promise<boolean> =>
  (await gateway.metric(`llamaduct_upstream_ejected{upstream="${upstream}"}`)) === 1;

suite('who waits for an upstream that is taken out', () => {
  test('is asked of another one', async () => {
    await using hung = await box();
    await using other = await box();
    hung.answer = other.answer = () => undefined;
    await using gateway = await testGateway(upstreamsOf([hung, other], { parallel: 1 }), {
      ...watched,
      timeouts: { grace: '50ms' },
    });
    const answers = Array.from({ length: 6 }, (_, index) => say(gateway, `conversation ${index}`));
    await until('both to have a queue', async () => {
      return (await depth(gateway, 'a')) + (await depth(gateway, 'b')) === 4;
    });
    assert.ok((await depth(gateway, 'a')) > 0);
    hung.lists = 'reset';
    await until('it to be out', async () => await isOut(gateway, 'a'));
    await until('its queue to be empty', async () => (await depth(gateway, 'a')) === 0);
    other.answer = saying;
    for (const res of other.begun) saying(res);
    await until('all but the one to be answered', () => other.begun.length === 5);
    await until('the other to be done', async () => (await depth(gateway, 'b')) === 0);
    assert.equal(hung.begun.length, 1);
    for (const res of hung.begun) saying(res);
    for (const { status, text } of await Promise.all(answers)) assert.equal(status, 200, text);
  });

  test('stays where there is no other', async () => {
    await using only = await box();
    only.answer = () => undefined;
    await using gateway = await testGateway(only, { ...watched, upstream: { parallel: 1 } });
    const answers = ['a', 'b'].map(async (content) => await say(gateway, content));
    await until('one to wait', async () => (await depth(gateway, 'ollama')) === 1);
    only.lists = 'reset';
    await until('it to be out', async () => await isOut(gateway, 'ollama'));
    assert.equal(await depth(gateway, 'ollama'), 1);
    only.lists = 'told';
    only.answer = saying;
    for (const res of only.begun) saying(res);
    for (const { status } of await Promise.all(answers)) assert.equal(status, 200);
  });

  test('stays where it is a choice of an answer that has begun', async () => {
    await using one = await box();
    await using two = await box();
    one.answer = two.answer = begin;
    await using gateway = await testGateway(upstreamsOf([one, two], { parallel: 1 }), watched);
    const answer = say(gateway, 'hi', { n: 2, stream: true });
    await until('a choice to begin', () => one.begun.length + two.begun.length === 1);
    const [serving, name] = one.begun.length === 1 ? [one, 'a'] : [two, 'b'];
    await until('the other to wait', async () => (await depth(gateway, name)) === 1);
    serving.lists = 'reset';
    await until('it to be out', async () => await isOut(gateway, name));
    assert.equal(await depth(gateway, name), 1);
    serving.answer = saying;
    for (const res of serving.begun) end(res);
    const { text } = await answer;
    assert.match(text, /\[DONE\]\n\n$/);
    assert.doesNotMatch(text, /"error"/);
    assert.equal(one.begun.length + two.begun.length, 2);
  });
});

suite('the time to the first token', () => {
  for (const n of [1, 2]) {
    test(`starts anew at the next upstream, for ${n} choices`, async () => {
      await using failing = await box(['shared:latest']);
      await using busy = await box(['shared:latest', 'own:latest']);
      failing.answer = () => undefined;
      busy.answer = begin;
      const [first, second] = upstreamsOf([failing, busy], { parallel: 1 });
      // So heavy that every conversation is at home there.
      const upstreams = [{ ...first, parallel: 2, weight: 1000 }, second ?? first] as const;
      await using gateway = await testGateway(upstreams, {
        retries: { attempts: 3, base: '5ms' },
        health: { interval: '0s' },
        timeouts: { first_token: '500ms' },
      });
      const own = say(gateway, 'own', { model: 'own' });
      await until('the other to be busy', () => busy.begun.length === 1);
      const moved = say(gateway, 'shared', { model: 'shared', n });
      await until('it to be asked', () => failing.begun.length === n);
      await sleep(300);
      failing.begun[0]?.writeHead(500, { 'content-type': 'application/json' }).end('{"error":"it failed"}');
      await until('it to wait at the other', async () => (await depth(gateway, 'b')) === n);
      await sleep(300);
      busy.answer = saying;
      for (const res of busy.begun) end(res);
      assert.equal((await own).status, 200);
      const { status, text } = await moved;
      assert.equal(status, 200, text);
    });

    test(`is kept by ${n} choices`, async () => {
      await using silent = await box();
      silent.answer = () => undefined;
      await using gateway = await testGateway(silent, { timeouts: { first_token: '60ms' }, upstream: { parallel: 1 } });
      const { status, text } = await say(gateway, 'hi', { n });
      assert.equal(status, 504, text);
      assert.match(text, /first_token_timeout/);
    });
  }
});
