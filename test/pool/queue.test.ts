import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { suite, test } from 'node:test';
import { hashSecret } from '../../src/config/secret.ts';
import { secret, type TestGateway, testGateway } from '../helpers/gateway.ts';
import { type Answer, chatLine, doneLine, ndjson } from '../helpers/upstream.ts';
import { until } from '../helpers/wait.ts';
import { type HeldUpstream, heldUpstream } from './held-upstream.ts';

const depth = 'llamaduct_queue_depth{upstream="ollama"}';
const inFlight = 'llamaduct_upstream_in_flight{upstream="ollama"}';
const keys = [
  { name: 'tester', hash: hashSecret(secret), scopes: ['inference', 'admin', 'metrics'] },
  ...['x', 'y'].map((name) => ({ name, hash: hashSecret(`ld-${name}`) })),
];
const one = { keys, upstream: { parallel: 1 }, timeouts: { grace: '100ms' } };

/** Milliseconds for an answer, whatever it waits for. */
const deadline = 15_000;

/** Asks for a chat completion; the key's secret is `ld-` and its name. */
async function say(
  gateway: TestGateway,
  key: string,
  text: string,
  body: object = {},
  init: { readonly headers?: Record<string, string>; readonly signal?: AbortSignal } = {},
): Promise<Response> {
  const headers = { authorization: `Bearer ld-${key}`, ...init.headers };
  const signal = AbortSignal.timeout(deadline);
  return await gateway.chat({ messages: [{ role: 'user', content: text }], ...body }, { signal, ...init, headers });
}

/** Reads an answer, whatever becomes of it. */
async function read(response: Promise<Response>): Promise<{ status: number; text: string; headers: Headers }> {
  const { status, headers, ...rest } = await response.then(async (sent) => ({
    status: sent.status,
    headers: sent.headers,
    text: await sent.text(),
  }));
  return { status, headers, ...rest };
}

async function waiting(gateway: TestGateway, count: number): Promise<void> {
  await until(`${count} to wait`, async () => (await gateway.metric(depth)) === count);
}

/** Waits until the upstream has nobody, and shows that the next one is served. */
async function assertFree(gateway: TestGateway, upstream: HeldUpstream): Promise<void> {
  await until('the turn to come back', async () => (await gateway.metric(inFlight)) === 0);
  assert.equal(await gateway.metric(depth), 0);
  upstream.flow();
  const after = await read(say(gateway, 'x', 'after'));
  assert.deepEqual([after.status, upstream.order.at(-1)], [200, 'after']);
}

async function ended(gateway: TestGateway, outcome: string): Promise<Record<string, unknown> | undefined> {
  const found = (): Record<string, unknown> | undefined =>
    gateway.log.find((line) => line['outcome'] === outcome && line['route'] !== '/metrics');
  await until(`the log to tell of ${outcome}`, () => found() !== undefined);
  return found();
}

suite('keys take turns', () => {
  test('a single request starts within one generation of 50 that were there before', async () => {
    await using upstream = await heldUpstream();
    await using gateway = await testGateway(upstream, one);
    upstream.flow(20);
    const crowd = Array.from({ length: 50 }, (_, index) => read(say(gateway, 'x', `x${index}`)));
    await until('some to be served', () => upstream.order.length >= 3);
    const before = upstream.order.length;
    const single = await read(say(gateway, 'y', 'y'));
    const turn = upstream.order.indexOf('y') - before;
    assert.ok(turn >= 0 && turn <= 2, `${turn} others came before it`);
    assert.equal(single.status, 200);
    assert.ok(Number(single.headers.get('x-llamaduct-queue-wait')) > 0);
    const all = await Promise.all(crowd);
    assert.deepEqual([...new Set(all.map(({ status }) => status))], [200]);
    // Each got the answer to what it said.
    all.forEach(({ text }, index) => assert.match(text, new RegExp(`"content":"x${index}"`)));
    assert.equal(new Set(upstream.order).size, 51);
    assert.equal(upstream.most, 1);
    assert.equal(await gateway.metric('llamaduct_queue_wait_seconds_count{upstream="ollama"}'), 51);
  });

  test('no more than `parallel` are under way, and as many', async () => {
    await using upstream = await heldUpstream();
    await using gateway = await testGateway(upstream, { ...one, upstream: { parallel: 3 } });
    upstream.flow(5);
    await Promise.all(Array.from({ length: 40 }, (_, index) => read(say(gateway, index % 2 ? 'x' : 'y', `${index}`))));
    assert.equal(upstream.most, 3);
    await assertFree(gateway, upstream);
  });

  test('without `parallel` nobody waits', async () => {
    await using upstream = await heldUpstream();
    await using gateway = await testGateway(upstream, { keys });
    const answers = Array.from({ length: 12 }, () => read(say(gateway, 'x', 'x')));
    await until('all to be there', () => upstream.held === 12);
    upstream.flow();
    for (const { headers } of await Promise.all(answers)) assert.equal(headers.get('x-llamaduct-queue-wait'), null);
  });

  test('who did not wait is not told that it did', async () => {
    await using upstream = await heldUpstream();
    await using gateway = await testGateway(upstream, one);
    upstream.flow();
    const { headers } = await read(say(gateway, 'x', 'x'));
    assert.equal(headers.get('x-llamaduct-queue-wait'), null);
    assert.equal((await ended(gateway, 'ok'))?.['queue_ms'], undefined);
  });

  test('a group of weight 2 gets about twice as many', async () => {
    await using upstream = await heldUpstream();
    const groups = { heavy: { weight: 2 } };
    const weighted = [keys[0], keys[1], { ...keys[2], group: 'heavy' }];
    await using gateway = await testGateway(upstream, { ...one, keys: weighted, groups });
    const answers = Array.from({ length: 60 }, (_, index) =>
      read(say(gateway, index % 2 ? 'x' : 'y', index % 2 ? 'x' : 'y')),
    );
    await waiting(gateway, 59);
    upstream.flow();
    await Promise.all(answers);
    // While both have some left.
    const heavy = upstream.order.slice(0, 36).filter((key) => key === 'y').length;
    assert.ok(heavy >= 21 && heavy <= 27, `${heavy} of 36`);
  });
});

suite('batch requests', () => {
  const batch = { 'x-llamaduct-priority': 'batch' };

  test('wait for interactive ones, by header or by group, without starving', async () => {
    await using upstream = await heldUpstream();
    const groups = { nightly: { priority: 'batch' } };
    const grouped = [keys[0], keys[1], { ...keys[2], group: 'nightly' }];
    await using gateway = await testGateway(upstream, { ...one, keys: grouped, groups, queue: { batch_share: 4 } });
    const first = read(say(gateway, 'tester', 'first', {}, { headers: { authorization: `Bearer ${secret}` } }));
    await until('the first', () => upstream.held === 1);
    const answers = [first];
    for (let index = 0; index < 2; index += 1) {
      answers.push(read(say(gateway, 'x', 'b', {}, { headers: batch })));
      // The header cannot raise it.
      answers.push(read(say(gateway, 'y', 'b', {}, { headers: { 'x-llamaduct-priority': 'interactive' } })));
    }
    await waiting(gateway, 4);
    for (let index = 0; index < 8; index += 1) answers.push(read(say(gateway, 'x', 'i')));
    await waiting(gateway, 12);
    upstream.flow();
    await Promise.all(answers);
    assert.equal(upstream.order.join(' '), 'first i i i b i i i b i i b b');
  });

  test('a class that there is not is a 400', async () => {
    await using upstream = await heldUpstream();
    await using gateway = await testGateway(upstream, one);
    const { status, text } = await read(say(gateway, 'x', 'x', {}, { headers: { 'x-llamaduct-priority': 'urgent' } }));
    const { error } = JSON.parse(text) as { error: { param: string } };
    assert.deepEqual([status, error.param, upstream.order.length], [400, 'x-llamaduct-priority', 0]);
  });
});

suite('a client that leaves', () => {
  for (const stream of [false, true]) {
    test(`while it waits is never sent on${stream ? ', nor is its stream' : ''}`, async () => {
      await using upstream = await heldUpstream();
      await using gateway = await testGateway(upstream, one);
      const first = read(say(gateway, 'x', 'first'));
      await until('the first', () => upstream.held === 1);
      const controller = new AbortController();
      const second = read(say(gateway, 'y', 'second', { stream }, { signal: controller.signal }));
      await waiting(gateway, 1);
      const third = read(say(gateway, 'x', 'third'));
      await waiting(gateway, 2);
      controller.abort();
      await assert.rejects(second, { name: 'AbortError' });
      await waiting(gateway, 1);
      const line = await ended(gateway, 'client_closed');
      assert.deepEqual([line?.['phase'], line?.['key']], ['waiting', 'y']);
      upstream.flow();
      await Promise.all([first, third]);
      await assertFree(gateway, upstream);
      assert.deepEqual(upstream.order, ['first', 'third', 'after']);
      const usage = await gateway.fetch('/v1/usage?all=true&by=outcome');
      const { data } = (await usage.json()) as { data: { name: string; requests: number; output_tokens: number }[] };
      const left = data.find(({ name }) => name === 'client_closed');
      assert.deepEqual([left?.requests, left?.output_tokens], [1, 0]);
    });

    test(`while it is answered makes room${stream ? ', be it streamed' : ''}`, async () => {
      await using upstream = await heldUpstream();
      await using gateway = await testGateway(upstream, one);
      const controller = new AbortController();
      const first = read(say(gateway, 'x', 'first', { stream }, { signal: controller.signal }));
      await until('the first', () => upstream.held === 1);
      const second = read(say(gateway, 'y', 'second'));
      await waiting(gateway, 1);
      controller.abort();
      await assert.rejects(first, { name: 'AbortError' });
      await until('the second', () => upstream.order.at(-1) === 'second');
      upstream.flow();
      assert.equal((await second).status, 200);
      await assertFree(gateway, upstream);
    });
  }
});

/** Endpoints, and where their answers tell the kind of an error. */
const dialects: { path: string; body: (text: string) => object; busy: number; full: (body: unknown) => unknown }[] = [
  {
    path: '/v1/chat/completions',
    body: (content) => ({ messages: [{ role: 'user', content }] }),
    busy: 503,
    full: (body) => (body as { error: { code: string } }).error.code,
  },
  {
    path: '/v1/completions',
    body: (prompt) => ({ prompt }),
    busy: 503,
    full: (body) => (body as { error: { code: string } }).error.code,
  },
  {
    path: '/v1/responses',
    body: (input) => ({ input }),
    busy: 503,
    full: (body) => (body as { error: { code: string } }).error.code,
  },
  {
    path: '/v1/embeddings',
    body: (input) => ({ input }),
    busy: 503,
    full: (body) => (body as { error: { code: string } }).error.code,
  },
  {
    path: '/v1/messages',
    body: (content) => ({ max_tokens: 9, messages: [{ role: 'user', content }] }),
    busy: 529,
    full: (body) => (body as { error: { type: string } }).error.type,
  },
  { path: '/api/chat', body: (content) => ({ messages: [{ role: 'user', content }] }), busy: 503, full: textOf },
  { path: '/api/generate', body: (prompt) => ({ prompt }), busy: 503, full: textOf },
  { path: '/api/embed', body: (input) => ({ input }), busy: 503, full: textOf },
];

function textOf(body: unknown): string {
  return (body as { error: string }).error;
}

async function post(gateway: TestGateway, path: string, body: object, key = 'x'): ReturnType<typeof read> {
  const headers = { authorization: `Bearer ld-${key}` };
  const text = JSON.stringify({ model: 'scripted-plain', ...body });
  const signal = AbortSignal.timeout(deadline);
  return await read(gateway.fetch(path, { method: 'POST', body: text, headers, signal }));
}

suite('every endpoint that a model runs for', () => {
  for (const { path, body } of dialects) {
    test(`${path} waits in the same queue`, async () => {
      await using upstream = await heldUpstream();
      await using gateway = await testGateway(upstream, one);
      const first = read(say(gateway, 'y', 'first'));
      await until('the first', () => upstream.held === 1);
      const second = post(gateway, path, body('second'));
      await waiting(gateway, 1);
      const third = read(say(gateway, 'y', 'third'));
      await waiting(gateway, 2);
      assert.deepEqual(upstream.order, ['first']);
      upstream.flow();
      const { status, headers } = await second;
      assert.equal(status, 200);
      assert.ok(Number(headers.get('x-llamaduct-queue-wait')) > 0, 'it is told how long it waited');
      await Promise.all([first, third]);
      assert.equal(upstream.most, 1);
      assert.deepEqual(upstream.order.toSorted(), ['first', 'second', 'third']);
      await assertFree(gateway, upstream);
    });
  }

  test('what no model runs for does not wait', async () => {
    await using upstream = await heldUpstream();
    await using gateway = await testGateway(upstream, one);
    const first = read(say(gateway, 'y', 'first'));
    await until('the first', () => upstream.held === 1);
    for (const path of ['/api/tags', '/api/ps', '/v1/models', '/v1/usage']) {
      assert.equal((await read(gateway.fetch(path))).status, 200, path);
    }
    upstream.flow();
    await first;
  });
});

suite('a queue that is full', () => {
  for (const { path, body, busy, full } of dialects) {
    test(`is a 429 where the key has too many, else a ${busy}: ${path}`, async () => {
      await using upstream = await heldUpstream();
      await using gateway = await testGateway(upstream, { ...one, queue: { waiting: 2, waiting_per_key: 1 } });
      const letIn = [read(say(gateway, 'y', 'first'))];
      await until('the first', () => upstream.held === 1);
      letIn.push(read(say(gateway, 'x', 'second')));
      await waiting(gateway, 1);
      const ofKey = await post(gateway, path, body('refused'));
      letIn.push(read(say(gateway, 'y', 'third')));
      await waiting(gateway, 2);
      const ofAll = await post(gateway, path, body('refused'), 'z');
      assert.deepEqual([ofKey.status, ofAll.status], [429, 401]);
      const other = await read(
        gateway.fetch(path, { method: 'POST', body: JSON.stringify({ model: 'scripted-plain', ...body('refused') }) }),
      );
      assert.equal(other.status, busy);
      for (const { text, headers } of [ofKey, other]) {
        const seconds = Number(headers.get('retry-after'));
        assert.ok(Number.isInteger(seconds) && seconds >= 1 && seconds <= 60, `retry-after: ${seconds}`);
        const told = full(JSON.parse(text));
        assert.match(String(told), /^(queue_full|rate_limit_error|overloaded_error|Too many requests .*)$/);
      }
      assert.equal(await gateway.metric(depth), 2);
      upstream.flow();
      for (const answer of letIn) assert.equal((await answer).status, 200);
      assert.ok(!upstream.order.includes('refused'));
      await assertFree(gateway, upstream);
    });

    test(`a wait that takes too long is a ${busy}: ${path}`, async () => {
      await using upstream = await heldUpstream();
      await using gateway = await testGateway(upstream, { ...one, timeouts: { queue: '60ms' } });
      const first = read(say(gateway, 'y', 'first'));
      await until('the first', () => upstream.held === 1);
      const late = await post(gateway, path, body('late'));
      assert.equal(late.status, busy);
      assert.ok(Number(late.headers.get('retry-after')) >= 1);
      assert.match(
        String(full(JSON.parse(late.text))),
        /^(queue_timeout|overloaded_error|The request waited too long.*)$/,
      );
      assert.equal((await ended(gateway, 'server_error'))?.['error'], 'queue_timeout');
      upstream.flow();
      assert.equal((await first).status, 200);
      await assertFree(gateway, upstream);
      assert.ok(!upstream.order.includes('late'));
    });
  }
});

suite('whatever becomes of a request, its turn comes back', () => {
  const faults: Record<string, Answer> = {
    'a 400': (res) => void res.writeHead(400).end('{"error":"no"}'),
    'a 404': (res) => void res.writeHead(404).end('{"error":"there is no such model"}'),
    'a 500': (res) => void res.writeHead(500).end('{"error":"boom"}'),
    'a 503': (res) => void res.writeHead(503).end('{"error":"server busy"}'),
    'a reset before the answer': (res) => void res.socket?.resetAndDestroy(),
    'a head and no more': (res) => {
      ndjson(res).flushHeaders();
      setImmediate(() => res.destroy());
    },
    'a stream that breaks': (res) => void ndjson(res).write(chatLine('Hel'), () => res.destroy()),
    'an error line': (res) => void ndjson(res).end(`${chatLine('Hel')}{"error":"unexpected EOF"}\n`),
    'no JSON': (res) => void ndjson(res).end(`${chatLine('Hel')}<html>\n`),
    'an end without done': (res) => void ndjson(res).end(chatLine('Hel')),
    'more after done': (res) => {
      ndjson(res).write(doneLine() + doneLine());
      setImmediate(() => res.end());
    },
    'done but no end': (res) => void ndjson(res).write(chatLine('Hel') + doneLine()),
  };
  const ways: [string, (text: string) => object][] = dialects.flatMap(({ path, body }) => [
    [path, body],
    ...(path.includes('embed') ? [] : [[path, (text) => ({ ...body(text), stream: true })] as (typeof ways)[number]]),
  ]);
  for (const [fault, answer] of Object.entries(faults)) {
    test(fault, async () => {
      await using upstream = await heldUpstream();
      await using gateway = await testGateway(upstream, one);
      for (const [path, body] of ways) {
        // Ollama's own stream ends when Ollama ends it, and others are given half a second for it: once is enough.
        if (fault === 'done but no end' && path !== '/v1/completions') continue;
        const failing = post(gateway, path, body('failing')).catch(() => undefined);
        await until('it to be there', () => upstream.held === 1);
        const next = read(say(gateway, 'y', `after ${path}`));
        await waiting(gateway, 1);
        upstream.release(answer);
        await failing;
        await until(`the next after ${path}`, () => upstream.order.at(-1) === `after ${path}`);
        upstream.release();
        assert.equal((await next).status, 200);
        await until('the turn to come back', async () => (await gateway.metric(inFlight)) === 0);
      }
    });
  }

  test('an upstream that is not there', async () => {
    const upstream = await heldUpstream();
    await using gateway = await testGateway(upstream, one);
    await upstream[Symbol.asyncDispose]();
    const answers = await Promise.all(Array.from({ length: 5 }, () => read(say(gateway, 'x', 'x', { stream: true }))));
    assert.deepEqual([...new Set(answers.map(({ status }) => status))], [502]);
    assert.deepEqual([await gateway.metric(inFlight), await gateway.metric(depth)], [0, 0]);
  });

  for (const path of ['/v1/chat/completions', '/api/chat']) {
    test(`a client that stops reading holds it for as long as an upstream may be silent: ${path}`, async () => {
      await using upstream = await heldUpstream();
      await using gateway = await testGateway(upstream, { ...one, timeouts: { idle: '200ms', grace: '100ms' } });
      const body = JSON.stringify({
        model: 'scripted-plain',
        messages: [{ role: 'user', content: 'x' }],
        stream: true,
      });
      const { hostname, port } = new URL(gateway.url);
      const client = connect({ host: hostname, port: Number(port) }).pause();
      client.on('error', () => undefined);
      client.write(
        `POST ${path} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer ld-x\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
      );
      await until('it to be there', () => upstream.held === 1);
      const next = read(say(gateway, 'y', 'next'));
      await waiting(gateway, 1);
      // More than the sockets between take.
      upstream.release((res) => {
        ndjson(res);
        const more = (): void => {
          while (!res.destroyed && res.write(chatLine('x'.repeat(60_000))));
        };
        res.on('drain', more);
        more();
      });
      upstream.flow();
      assert.equal((await next).status, 200);
      await assertFree(gateway, upstream);
      client.destroy();
    });
  }
});

suite('requests that ask the upstream several times', () => {
  for (const stream of [false, true]) {
    test(`three choices one after the other${stream ? ', streamed' : ''}, for two clients at once`, async () => {
      await using upstream = await heldUpstream();
      await using gateway = await testGateway(upstream, one);
      upstream.flow(5);
      const answers = await Promise.all(
        ['x', 'y'].map(async (key) => await read(say(gateway, key, key, { n: 3, stream }))),
      );
      for (const [index, { status, text }] of answers.entries()) {
        assert.equal(status, 200);
        const said = ['x', 'y'][index] ?? '';
        for (let choice = 0; choice < 3; choice += 1) {
          assert.match(text, new RegExp(`"index":${choice},"(message|delta)":\\{[^}]*"content":"${said}"`));
        }
        if (stream) assert.ok(text.endsWith('data: [DONE]\n\n'), text.slice(-200));
      }
      assert.deepEqual([upstream.order.length, upstream.most], [6, 1]);
      await assertFree(gateway, upstream);
    });

    test(`a choice that fails takes back those that wait${stream ? ', streamed' : ''}`, async () => {
      await using upstream = await heldUpstream();
      await using gateway = await testGateway(upstream, one);
      const failing = read(say(gateway, 'x', 'x', { n: 3, stream }));
      await until('the first choice', () => upstream.held === 1);
      await waiting(gateway, 2);
      upstream.release((res) => void res.writeHead(500).end('{"error":"boom"}'));
      assert.equal((await failing).status, 502);
      await assertFree(gateway, upstream);
      assert.deepEqual(upstream.order, ['x', 'after']);
    });
  }

  test('an answer that does not follow its schema is asked for again', async () => {
    await using upstream = await heldUpstream();
    await using gateway = await testGateway(upstream, { ...one, validate_json: true });
    const schema = { type: 'object', properties: { a: { type: 'number' } }, required: ['a'] };
    const body = { response_format: { type: 'json_schema', json_schema: { name: 'a', schema } } };
    const asking = read(say(gateway, 'x', 'x', body));
    const json =
      (text: string): Answer =>
      (res) =>
        void ndjson(res).end(chatLine(text) + doneLine());
    await until('the first', () => upstream.held === 1);
    const other = read(say(gateway, 'y', 'y'));
    await waiting(gateway, 1);
    upstream.release(json('{"b":1}'));
    await until('the other', () => upstream.order.at(-1) === 'y' && upstream.held === 1);
    await waiting(gateway, 1);
    upstream.release();
    await until('the second', () => upstream.order.length === 3 && upstream.held === 1);
    upstream.release(json('{"a":1}'));
    const { status, text } = await asking;
    assert.equal(status, 200);
    assert.match(text, /\{\\"a\\":1\}/);
    assert.equal((await other).status, 200);
    await assertFree(gateway, upstream);
  });
});

suite('models that do not fit into memory together', () => {
  const models = ['red:latest', 'blue:latest'];
  const alternating = ['blue', 'red', 'blue', 'red', 'blue', 'red'];

  async function orderWith(queue: object): Promise<string> {
    await using upstream = await heldUpstream(models);
    upstream.loaded = ['red:latest'];
    const settings = { ...one, upstream: { parallel: 1, models_in_memory: 1 }, queue };
    await using gateway = await testGateway(upstream, settings);
    const answers = [read(say(gateway, 'x', 'red', { model: 'red' }))];
    await until('the first', () => upstream.held === 1);
    for (const [index, model] of alternating.entries()) {
      answers.push(read(say(gateway, index % 2 === 0 ? 'x' : 'y', model, { model })));
      await waiting(gateway, index + 1);
    }
    await until('/api/ps to be asked', () => upstream.requests.some(({ url }) => url === '/api/ps'));
    upstream.flow(5);
    for (const { status } of await Promise.all(answers)) assert.equal(status, 200);
    return upstream.order.join(' ');
  }

  test('are swapped once', async () => {
    assert.equal(await orderWith({}), 'red red red red blue blue blue');
  });

  test('are swapped in the fair order where nobody may wait longer for it', async () => {
    assert.equal(await orderWith({ extra_wait: '0s' }), 'red blue red blue red blue red');
  });
});

suite('when the service stops', () => {
  test('who waits is told at once, and who runs soon after the grace', async () => {
    await using upstream = await heldUpstream();
    await using gateway = await testGateway(upstream, one);
    const answers = dialects.map(async ({ path, body }) => await post(gateway, path, body('x')));
    await until('the first', () => upstream.held === 1);
    await waiting(gateway, dialects.length - 1);
    await gateway.close();
    const statuses = (await Promise.all(answers)).map(({ status }) => status);
    assert.deepEqual(
      statuses.toSorted((a, b) => a - b),
      [503, 503, 503, 503, 503, 503, 503, 529],
    );
    assert.equal(upstream.order.length, 1);
    assert.equal(gateway.log.filter(({ error }) => error === 'shutting_down').length, dialects.length);
  });

  test('who waits is served where the drain time is long enough', async () => {
    await using upstream = await heldUpstream();
    await using gateway = await testGateway(upstream, { ...one, timeouts: { drain: '1s', grace: '10s' } });
    const answers = ['x', 'y', 'x'].map(async (key) => await read(say(gateway, key, key)));
    await until('the first', () => upstream.held === 1);
    await waiting(gateway, 2);
    const closing = gateway.close();
    upstream.flow();
    for (const { status } of await Promise.all(answers)) assert.equal(status, 200);
    await closing;
  });
});
