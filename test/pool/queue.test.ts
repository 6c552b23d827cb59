import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { json } from '../helpers/answers.ts';
import { secret, testGateway } from '../helpers/gateway.ts';
import { heldUpstream } from '../helpers/held-upstream.ts';
import { chatLine, doneLine, ndjson } from '../helpers/ollama-answers.ts';
import { saying } from '../helpers/openai-answers.ts';
import { type Answer, openaiUpstream } from '../helpers/upstream.ts';
import { until } from '../helpers/wait.ts';
import {
  type WholeResponse,
  assertFree,
  chat,
  endpoints,
  keys,
  logLine,
  oneSlot,
  post,
  queued,
  whole,
} from './queue-client.ts';

suite('the fair queue', () => {
  test('starts the only request of one key at most two generations after it arrived, before 50 of another key', async () => {
    await using upstream = await heldUpstream();
    await using gateway = await testGateway(upstream, oneSlot);
    const batch = Array.from({ length: 50 }, (_, index) => chat(gateway, 'x', `x${index}`));
    await queued(gateway, 49);
    for (let generations = 2; generations <= 4; generations += 1) {
      upstream.release();
      await until(`generation ${generations}`, () => upstream.order.length === generations && upstream.held === 1);
    }
    const before = upstream.order.length;
    const onlyRequest = chat(gateway, 'y', 'y');
    await queued(gateway, 47);
    upstream.flow();
    const single = await onlyRequest;
    const position = upstream.order.indexOf('y') - before;
    assert.ok(position >= 0 && position <= 2, `${position} others came before it`);
    assert.equal(single.status, 200);
    assert.ok(Number(single.headers.get('x-llamaduct-queue-wait')) > 0);
    const all = await Promise.all(batch);
    assert.deepEqual([...new Set(all.map(({ status }) => status))], [200]);
    // Each request got its own answer.
    all.forEach(({ text }, index) => assert.match(text, new RegExp(`"content":"x${index}"`)));
    assert.equal(new Set(upstream.order).size, 51);
    assert.equal(upstream.most, 1);
    assert.equal(await gateway.metric('llamaduct_queue_wait_seconds_count{upstream="ollama"}'), 51);
  });

  test('lets exactly `parallel` requests run at the same time', async () => {
    await using upstream = await heldUpstream();
    await using gateway = await testGateway(upstream, { ...oneSlot, upstream: { parallel: 3 } });
    upstream.flow(5);
    await Promise.all(Array.from({ length: 40 }, (_, index) => chat(gateway, index % 2 ? 'x' : 'y', `${index}`)));
    assert.equal(upstream.most, 3);
    await assertFree(gateway, upstream);
  });

  test('does not exist without `parallel`: all requests run at once', async () => {
    await using upstream = await heldUpstream();
    await using gateway = await testGateway(upstream, { keys });
    const answers = Array.from({ length: 12 }, () => chat(gateway, 'x', 'x'));
    await until('twelve requests', () => upstream.held === 12);
    upstream.flow();
    for (const { headers } of await Promise.all(answers)) assert.equal(headers.get('x-llamaduct-queue-wait'), null);
  });

  test('adds no x-llamaduct-queue-wait header to a response that did not wait', async () => {
    await using upstream = await heldUpstream();
    await using gateway = await testGateway(upstream, oneSlot);
    upstream.flow();
    const { headers } = await chat(gateway, 'x', 'x');
    assert.equal(headers.get('x-llamaduct-queue-wait'), null);
    assert.equal((await logLine(gateway, 'ok'))['queue_ms'], undefined);
  });

  test('starts about twice as many requests of a group with weight 2', async () => {
    await using upstream = await heldUpstream();
    const groups = { heavy: { weight: 2 } };
    const weighted = [keys[0], keys[1], { ...keys[2], group: 'heavy' }];
    await using gateway = await testGateway(upstream, { ...oneSlot, keys: weighted, groups });
    const answers = Array.from({ length: 60 }, (_, index) =>
      chat(gateway, index % 2 ? 'x' : 'y', index % 2 ? 'x' : 'y'),
    );
    await queued(gateway, 59);
    upstream.flow();
    await Promise.all(answers);
    // As long as both keys have queued requests.
    const heavy = upstream.order.slice(0, 36).filter((key) => key === 'y').length;
    assert.ok(heavy >= 21 && heavy <= 27, `${heavy} of 36`);
  });

  test('charges a key for the tokens that it received when its client disconnects before the last line', async () => {
    await using upstream = await heldUpstream();
    await using gateway = await testGateway(upstream, { keys, upstream: { parallel: 1 } });
    const controller = new AbortController();
    const body = { model: 'scripted-plain', messages: [{ role: 'user', content: 'a long answer' }] };
    const long = gateway.fetch('/api/chat', {
      method: 'POST',
      headers: { authorization: 'Bearer ld-x' },
      body: JSON.stringify(body),
      signal: controller.signal,
    });
    await until('the long answer', () => upstream.held === 1);
    const others: Promise<WholeResponse>[] = [];
    for (const [key, text] of [
      ['x', 'x again'],
      ['y', 'y first'],
      ['y', 'y second'],
      ['y', 'y third'],
    ] as const) {
      others.push(chat(gateway, key, text));
      await queued(gateway, others.length);
    }
    // Many more tokens than were estimated, and no last line.
    upstream.release(async (res) => {
      ndjson(res);
      for (let lines = 0; lines < 3_000; lines += 1) {
        await new Promise<void>((resolve) => {
          res.write(chatLine('x'), () => setImmediate(resolve));
        });
      }
    });
    const reader = (await long).body?.getReader();
    for (let read = 0; read < 2_900 * chatLine('x').length;) read += (await reader?.read())?.value?.length ?? 0;
    controller.abort();
    upstream.flow();
    await Promise.all(others);
    assert.deepEqual(upstream.order.slice(1), ['y first', 'y second', 'y third', 'x again']);
  });
});

suite('batch requests', () => {
  const batch = { 'x-llamaduct-priority': 'batch' };

  test('wait for interactive requests without starving, whether the header or the group makes them batch requests', async () => {
    await using upstream = await heldUpstream();
    const groups = { nightly: { priority: 'batch' } };
    const grouped = [keys[0], keys[1], { ...keys[2], group: 'nightly' }];
    await using gateway = await testGateway(upstream, { ...oneSlot, keys: grouped, groups, queue: { batch_share: 4 } });
    const first = chat(gateway, 'tester', 'first', {}, { headers: { authorization: `Bearer ${secret}` } });
    await until('the first request', () => upstream.held === 1);
    const answers = [first];
    for (let index = 0; index < 2; index += 1) {
      answers.push(chat(gateway, 'x', 'b', {}, { headers: batch }));
      // The header cannot raise the priority of the group.
      answers.push(chat(gateway, 'y', 'b', {}, { headers: { 'x-llamaduct-priority': 'interactive' } }));
    }
    await queued(gateway, 4);
    for (let index = 0; index < 8; index += 1) answers.push(chat(gateway, 'x', 'i'));
    await queued(gateway, 12);
    upstream.flow();
    await Promise.all(answers);
    assert.equal(upstream.order.join(' '), 'first i i i b i i i b i i b b');
  });

  test('are a 400 with an unknown x-llamaduct-priority', async () => {
    await using upstream = await heldUpstream();
    await using gateway = await testGateway(upstream, oneSlot);
    const { status, text } = await chat(gateway, 'x', 'x', {}, { headers: { 'x-llamaduct-priority': 'urgent' } });
    const { error } = JSON.parse(text) as { error: { param: string } };
    assert.deepEqual([status, error.param, upstream.order.length], [400, 'x-llamaduct-priority', 0]);
  });
});

suite('a client that disconnects', () => {
  for (const stream of [false, true]) {
    const kind = stream ? 'streamed' : 'not streamed';

    test(`while its request is queued: the request never reaches the upstream, ${kind}`, async () => {
      await using upstream = await heldUpstream();
      await using gateway = await testGateway(upstream, oneSlot);
      const first = chat(gateway, 'x', 'first');
      await until('the first request', () => upstream.held === 1);
      const controller = new AbortController();
      const second = chat(gateway, 'y', 'second', { stream }, { signal: controller.signal });
      await queued(gateway, 1);
      const third = chat(gateway, 'x', 'third');
      await queued(gateway, 2);
      controller.abort();
      await assert.rejects(second, { name: 'AbortError' });
      await queued(gateway, 1);
      const line = await logLine(gateway, 'client_closed');
      assert.deepEqual([line['phase'], line['key']], ['waiting', 'y']);
      upstream.flow();
      await Promise.all([first, third]);
      await assertFree(gateway, upstream);
      assert.deepEqual(upstream.order, ['first', 'third', 'after']);
      const usage = await gateway.fetch('/v1/usage?all=true&by=outcome');
      const { data } = (await usage.json()) as { data: { name: string; requests: number; output_tokens: number }[] };
      const closed = data.find(({ name }) => name === 'client_closed');
      assert.deepEqual([closed?.requests, closed?.output_tokens], [1, 0]);
    });

    test(`while its request runs: the next request gets its slot, ${kind}`, async () => {
      await using upstream = await heldUpstream();
      await using gateway = await testGateway(upstream, oneSlot);
      const controller = new AbortController();
      const first = chat(gateway, 'x', 'first', { stream }, { signal: controller.signal });
      await until('the first request', () => upstream.held === 1);
      const second = chat(gateway, 'y', 'second');
      await queued(gateway, 1);
      controller.abort();
      await assert.rejects(first, { name: 'AbortError' });
      await until('the second request', () => upstream.order.at(-1) === 'second');
      upstream.flow();
      assert.equal((await second).status, 200);
      await assertFree(gateway, upstream);
    });
  }
});

suite('the queue of an endpoint', () => {
  for (const { path, body } of endpoints) {
    test(`is the same for all endpoints that run a model: ${path}`, async () => {
      await using upstream = await heldUpstream();
      await using gateway = await testGateway(upstream, oneSlot);
      const first = chat(gateway, 'y', 'first');
      await until('the first request', () => upstream.held === 1);
      const second = post(gateway, path, body('second'));
      await queued(gateway, 1);
      const third = chat(gateway, 'y', 'third');
      await queued(gateway, 2);
      assert.deepEqual(upstream.order, ['first']);
      upstream.flow();
      const { status, headers } = await second;
      assert.equal(status, 200);
      assert.ok(Number(headers.get('x-llamaduct-queue-wait')) > 0, 'there is no x-llamaduct-queue-wait');
      await Promise.all([first, third]);
      assert.equal(upstream.most, 1);
      assert.deepEqual(upstream.order.toSorted(), ['first', 'second', 'third']);
      await assertFree(gateway, upstream);
    });
  }

  test('does not exist for endpoints that run no model', async () => {
    await using upstream = await heldUpstream();
    await using gateway = await testGateway(upstream, oneSlot);
    const first = chat(gateway, 'y', 'first');
    await until('the first request', () => upstream.held === 1);
    for (const path of ['/api/tags', '/api/ps', '/v1/models', '/v1/usage']) {
      assert.equal((await whole(await gateway.fetch(path))).status, 200, path);
    }
    upstream.flow();
    await first;
  });
});

suite('a request that needs several generations', () => {
  for (const stream of [false, true]) {
    const kind = stream ? 'streamed' : 'not streamed';

    test(`gets three choices one after the other, for two clients at the same time, ${kind}`, async () => {
      await using upstream = await heldUpstream();
      await using gateway = await testGateway(upstream, oneSlot);
      upstream.flow(5);
      const answers = await Promise.all(['x', 'y'].map(async (key) => await chat(gateway, key, key, { n: 3, stream })));
      for (const [index, { status, text }] of answers.entries()) {
        assert.equal(status, 200);
        const prompt = ['x', 'y'][index] ?? '';
        for (let choice = 0; choice < 3; choice += 1) {
          assert.match(text, new RegExp(`"index":${choice},"(message|delta)":\\{[^}]*"content":"${prompt}"`));
        }
        if (stream) assert.ok(text.endsWith('data: [DONE]\n\n'), text.slice(-200));
      }
      assert.deepEqual([upstream.order.length, upstream.most], [6, 1]);
      await assertFree(gateway, upstream);
    });

    test(`removes its queued choices when one choice fails, ${kind}`, async () => {
      await using upstream = await heldUpstream();
      await using gateway = await testGateway(upstream, oneSlot);
      const failing = chat(gateway, 'x', 'x', { n: 3, stream });
      await until('the first choice', () => upstream.held === 1);
      await queued(gateway, 2);
      upstream.release(json(500, { error: 'boom' }));
      assert.equal((await failing).status, 502);
      await assertFree(gateway, upstream);
      assert.deepEqual(upstream.order, ['x', 'after']);
    });
  }

  test('queues again for the second attempt after an answer that does not match its schema', async () => {
    await using upstream = await heldUpstream();
    await using gateway = await testGateway(upstream, { ...oneSlot, validate_json: true });
    const schema = { type: 'object', properties: { a: { type: 'number' } }, required: ['a'] };
    const body = { response_format: { type: 'json_schema', json_schema: { name: 'a', schema } } };
    const validated = chat(gateway, 'x', 'x', body);
    const words =
      (text: string): Answer =>
      (res) =>
        void ndjson(res).end(chatLine(text) + doneLine());
    await until('the first request', () => upstream.held === 1);
    const other = chat(gateway, 'y', 'y');
    await queued(gateway, 1);
    upstream.release(words('{"b":1}'));
    await until('the other request', () => upstream.order.at(-1) === 'y' && upstream.held === 1);
    await queued(gateway, 1);
    upstream.release();
    await until('the second attempt', () => upstream.order.length === 3 && upstream.held === 1);
    upstream.release(words('{"a":1}'));
    const { status, text } = await validated;
    assert.equal(status, 200);
    assert.match(text, /\{\\"a\\":1\}/);
    assert.equal((await other).status, 200);
    await assertFree(gateway, upstream);
  });
});

suite('queued requests for models that do not fit into memory together', () => {
  const models = ['red:latest', 'blue:latest'];
  const alternating = ['blue', 'red', 'blue', 'red', 'blue', 'red'];

  async function orderWith(queue: object): Promise<string> {
    await using upstream = await heldUpstream(models);
    upstream.loaded = ['red:latest'];
    const settings = { ...oneSlot, upstream: { parallel: 1, models_in_memory: 1 }, queue };
    await using gateway = await testGateway(upstream, settings);
    const answers = [chat(gateway, 'x', 'red', { model: 'red' })];
    await until('the first request', () => upstream.held === 1);
    for (const [index, model] of alternating.entries()) {
      answers.push(chat(gateway, index % 2 === 0 ? 'x' : 'y', model, { model }));
      await queued(gateway, index + 1);
    }
    await until('a request for the loaded models', () => upstream.requests.some(({ url }) => url === '/api/ps'));
    upstream.flow(5);
    for (const { status } of await Promise.all(answers)) assert.equal(status, 200);
    return upstream.order.join(' ');
  }

  test('are grouped, so that the models are swapped once', async () => {
    assert.equal(await orderWith({}), 'red red red red blue blue blue');
  });

  test('keep the fair order when `extra_wait` is 0s', async () => {
    assert.equal(await orderWith({ extra_wait: '0s' }), 'red blue red blue red blue red');
  });

  test('run at the same time on an OpenAI-compatible server, which does not report its loaded models', async () => {
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    await using upstream = await openaiUpstream(
      async (res, request) => {
        if (request.body.includes('"one"')) await released;
        await saying('hello')(res, request);
      },
      ['one', 'two'],
    );
    await using gateway = await testGateway(upstream, {
      keys,
      upstream: { kind: 'openai', name: 'openai', parallel: 4 },
    });
    const first = chat(gateway, 'x', 'x', { model: 'one', stream: true });
    await until('the first request', () => upstream.requests.length === 1);
    const second = await chat(gateway, 'y', 'x', { model: 'two', stream: true });
    assert.equal(second.status, 200);
    release();
    await first;
  });

  test('are not delayed by a request for a model that the upstream does not have', async () => {
    await using upstream = await heldUpstream();
    await using gateway = await testGateway(upstream, { keys, upstream: { parallel: 4, models_in_memory: 1 } });
    const answers = [
      chat(gateway, 'x', 'long'),
      chat(gateway, 'y', 'bogus', { model: 'no-such-model' }),
      chat(gateway, 'x', 'resident'),
    ];
    await until('three requests', () => upstream.held === 3);
    upstream.flow();
    await Promise.all(answers);
  });
});

suite('a stop of the service', () => {
  test('refuses queued requests at once, and ends the running one after the grace time', async () => {
    await using upstream = await heldUpstream();
    await using gateway = await testGateway(upstream, oneSlot);
    const answers = endpoints.map(async ({ path, body }) => await post(gateway, path, body('x')));
    await until('the first request', () => upstream.held === 1);
    await queued(gateway, endpoints.length - 1);
    await gateway.close();
    const statuses = (await Promise.all(answers)).map(({ status }) => status);
    assert.deepEqual(
      statuses.toSorted((a, b) => a - b),
      [503, 503, 503, 503, 503, 503, 503, 529],
    );
    assert.equal(upstream.order.length, 1);
    assert.equal(gateway.log.filter(({ error }) => error === 'shutting_down').length, endpoints.length);
  });

  test('serves queued requests within the drain time', async () => {
    await using upstream = await heldUpstream();
    await using gateway = await testGateway(upstream, { ...oneSlot, timeouts: { drain: '1s', grace: '10s' } });
    const answers = ['x', 'y', 'x'].map(async (key) => await chat(gateway, key, key));
    await until('the first request', () => upstream.held === 1);
    await queued(gateway, 2);
    const closing = gateway.close();
    upstream.flow();
    for (const { status } of await Promise.all(answers)) assert.equal(status, 200);
    await closing;
  });
});
