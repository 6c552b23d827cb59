import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { suite, test } from 'node:test';
import { type TestGateway, testGateway, ending } from '../helpers/gateway.ts';
import { chatLine, doneLine, ndjson } from '../helpers/ollama-answers.ts';
import { type FakeUpstream, fakeUpstream } from '../helpers/upstream.ts';
import { until } from '../helpers/wait.ts';
import { clock, counting, endpoints, keyOf, posted, tester } from './limited.ts';

const chat = { model: 'scripted-plain', messages: [{ role: 'user', content: 'hi' }], max_tokens: 50 };

interface Limited {
  readonly status: number;
  /** Remaining requests and tokens of the minute, from the headers. */
  readonly requests: string | null;
  readonly tokens: string | null;
}

async function ask(
  gateway: TestGateway,
  key: string,
  body: object = {},
  path = '/v1/chat/completions',
): Promise<Limited> {
  const { status, headers, ...response } = await readText(await gateway.fetch(path, posted({ ...chat, ...body }, key)));
  assert.notEqual(response.text, '');
  const remaining = (family: string): string | null => headers.get(`x-ratelimit-remaining-${family}`);
  return { status, requests: remaining('requests'), tokens: remaining('tokens') };
}

async function readText(response: Response) {
  return { status: response.status, headers: response.headers, text: await response.text() };
}

async function using(
  upstream: FakeUpstream,
  settings: Record<string, unknown>,
): Promise<TestGateway & AsyncDisposable> {
  const gateway = await testGateway(upstream, { timeouts: { grace: '100ms' }, ...settings });
  return {
    ...gateway,
    ...ending(gateway, upstream),
  };
}

suite('requests_per_minute', () => {
  test('counts requests of all endpoints down in headers, and starts again with the next minute', async (t) => {
    const advance = clock(t);
    const keys = [tester, keyOf('alice', { limits: { requests_per_minute: endpoints.length } })];
    await using gateway = await using(await fakeUpstream(counting(5, 5)), { keys });
    for (const [index, { path, body }] of endpoints.entries()) {
      // The fake upstream answers this endpoint by itself, without the configured token counts.
      if (path === '/api/embeddings') continue;
      const { status, requests } = await ask(gateway, 'alice', body, path);
      assert.deepEqual([status, requests], [200, String(endpoints.length - 1 - index)], path);
    }
    assert.equal((await ask(gateway, 'alice')).status, 200);
    assert.equal((await ask(gateway, 'alice')).status, 429);
    assert.equal((await gateway.chat()).status, 200);
    advance(50_000);
    assert.deepEqual(await ask(gateway, 'alice'), { status: 200, requests: '9', tokens: null });
  });

  test('counts failed requests, but not requests that llamaduct refuses', async (t) => {
    clock(t);
    const keys = [tester, keyOf('alice', { limits: { requests_per_minute: 3 }, models: ['scripted-plain'] })];
    const upstream = await fakeUpstream((res) => void res.writeHead(500).end('{"error":"no"}'));
    await using gateway = await using(upstream, { keys });
    assert.equal((await ask(gateway, 'alice', { model: 'llama3' })).status, 403);
    assert.equal((await ask(gateway, 'alice', { messages: 'hi' })).status, 400);
    for (const requests of ['2', '1', '0']) {
      const failed = await ask(gateway, 'alice', {}, requests === '1' ? '/api/chat' : undefined);
      assert.ok(failed.status >= 500);
      assert.equal(failed.requests, requests);
    }
    assert.equal((await ask(gateway, 'alice')).status, 429);
  });
});

suite('tokens_per_minute', () => {
  const keys = [tester, keyOf('alice', { limits: { tokens_per_minute: 200 } })];

  // In a body that is passed through, the model name and the roles count as text.
  for (const [path, estimate] of [
    ['/v1/chat/completions', 51],
    ['/api/chat', 55],
  ] as const) {
    for (const stream of [false, true]) {
      const body = { stream, options: { num_predict: 50 } };
      const request = `${path}${stream ? ', streamed' : ''}`;

      test(`counts the estimate first and the actual tokens at the end: ${request}`, async (t) => {
        clock(t);
        await using gateway = await using(await fakeUpstream(counting(6, 4)), { keys });
        assert.equal((await ask(gateway, 'alice', body, path)).tokens, String(200 - estimate));
        assert.equal((await ask(gateway, 'alice', body, path)).tokens, String(200 - 10 - estimate));
      });

      test(`refuses requests after an answer of too many tokens: ${request}`, async (t) => {
        const advance = clock(t);
        await using gateway = await using(await fakeUpstream(counting(6, 150)), { keys });
        assert.equal((await ask(gateway, 'alice', body, path)).status, 200);
        const refused = await gateway.fetch(path, posted({ ...chat, ...body }, 'alice'));
        assert.deepEqual([refused.status, refused.headers.get('x-ratelimit-remaining-tokens')], [429, '44']);
        assert.match(
          await refused.text(),
          new RegExp(`200 tokens per minute; 156 are used, this request needs about ${estimate}\\.`),
        );
        advance(50_000);
        assert.equal((await ask(gateway, 'alice', body, path)).status, 200);
      });
    }

    test(`counts nothing if the upstream refuses the request: ${path}`, async (t) => {
      clock(t);
      const upstream = await fakeUpstream((res) => void res.writeHead(404).end(`{"error":"model 'x' not found"}`));
      await using gateway = await using(upstream, { keys });
      const body = { options: { num_predict: 50 } };
      for (let attempt = 0; attempt < 3; attempt += 1) {
        const { status, tokens } = await ask(gateway, 'alice', body, path);
        assert.deepEqual([status, tokens], [404, String(200 - estimate)]);
      }
    });
  }

  test("estimates output tokens by the key's max_tokens when that is lower than the request's", async (t) => {
    clock(t);
    const few = [tester, keyOf('alice', { limits: { tokens_per_minute: 200, max_tokens: 20 } })];
    await using gateway = await using(await fakeUpstream(counting(6, 4)), { keys: few });
    for (const [index, path] of ['/v1/chat/completions', '/api/chat', '/api/generate'].entries()) {
      const { status, tokens } = await ask(gateway, 'alice', { max_tokens: undefined, prompt: 'hi' }, path);
      assert.equal(status, 200, path);
      assert.ok(Number(tokens) >= 200 - 10 * index - 30, `${path}: ${tokens}`);
    }
  });
});

suite('concurrent', () => {
  const keys = [tester, keyOf('alice', { limits: { concurrent: 1 } })];
  const running = endpoints.filter(({ path }) => ['/v1/chat/completions', '/v1/messages', '/api/chat'].includes(path));

  for (const { path, body } of running) {
    test(`refuses a request while an answer streams, and admits one after the client disconnects: ${path}`, async () => {
      const upstream = await fakeUpstream((res) => void ndjson(res).write(chatLine('Hel')));
      await using gateway = await using(upstream, { keys });
      const first = await gateway.fetch(path, posted({ ...body, stream: true }, 'alice'));
      assert.equal(first.status, 200);
      const second = await gateway.fetch(path, posted(body, 'alice'));
      assert.deepEqual([second.status, second.headers.get('retry-after')], [429, '1']);
      assert.match(await second.text(), /1 concurrent request\./);
      assert.equal(upstream.requests.length, 1);
      assert.equal(await gateway.metric('llamaduct_rate_limited_total{key="alice",limit="concurrent"}'), 1);
      await first.body?.cancel();
      await until('the upstream request to be aborted', () => upstream.open === 0);
      const third = await gateway.fetch(path, posted({ ...body, stream: true }, 'alice'));
      assert.equal(third.status, 200);
      await third.body?.cancel();
    });
  }

  test('counts requests whose body does not arrive, so that they do not lock out other keys', async () => {
    const keysOfBoth = [tester, keyOf('mallory', { limits: { concurrent: 1 } }), keyOf('bob')];
    const settings = { keys: keysOfBoth, limits: { in_flight: 8 } };
    await using gateway = await using(await fakeUpstream(counting(5, 5)), settings);
    const { port } = new URL(gateway.url);
    const head = 'POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer mallory\r\n';
    const statuses: (string | undefined)[] = [];
    const sockets = Array.from({ length: 16 }, () => {
      const socket = connect(Number(port), '127.0.0.1').on('error', () => undefined);
      socket.once('data', (data) => statuses.push(data.toString().split(' ')[1]));
      socket.write(`${head}content-length: 100\r\n\r\n{`);
      return socket;
    });
    await until('the refusals', () => statuses.length >= 15);
    assert.deepEqual(new Set(statuses), new Set(['429']));
    assert.equal((await ask(gateway, 'bob')).status, 200);
    assert.equal((await ask(gateway, 'mallory')).status, 429);
    for (const socket of sockets) socket.destroy();
    await until('the running request to end', async () => (await ask(gateway, 'mallory')).status === 200);
  });

  test('counts a stream until its last byte', async () => {
    let finish: (() => void) | undefined;
    const upstream = await fakeUpstream((res) => {
      ndjson(res).write(chatLine('Hel'));
      finish = () => res.end(`${chatLine('lo')}${doneLine()}`);
    });
    await using gateway = await using(upstream, { keys });
    for (let attempt = 0; attempt < 3; attempt += 1) {
      const response = await gateway.fetch('/v1/chat/completions', posted({ ...chat, stream: true }, 'alice'));
      assert.equal(response.status, 200);
      assert.equal((await gateway.fetch('/api/chat', posted(chat, 'alice'))).status, 429);
      finish?.();
      assert.match(await response.text(), /data: \[DONE\]\n\n$/);
    }
  });

  test('stops counting when the upstream refuses or breaks an answer, or the client disconnects', async () => {
    let behaviour: 'refuse' | 'break' | 'hold' = 'refuse';
    const upstream = await fakeUpstream((res) => {
      if (behaviour === 'refuse') return void res.writeHead(500).end('{"error":"no"}');
      if (behaviour === 'break') return void ndjson(res).write(chatLine('Hel'), () => res.destroy());
      return undefined;
    });
    await using gateway = await using(upstream, { keys });
    for (const path of ['/v1/chat/completions', '/api/chat']) {
      for (behaviour of ['refuse', 'break'] as const) {
        const response = await gateway.fetch(path, posted(chat, 'alice'));
        assert.notEqual(response.status, 429, `${path}, ${behaviour}`);
        await response.text().catch(() => undefined);
      }
      behaviour = 'hold';
      const client = new AbortController();
      const aborted = gateway.fetch(path, posted(chat, 'alice', { signal: client.signal }));
      await until('the request to reach the upstream', () => upstream.open === 1);
      assert.equal((await ask(gateway, 'alice')).status, 429, path);
      client.abort();
      await assert.rejects(aborted, { name: 'AbortError' });
      await until('the upstream request to be aborted', () => upstream.open === 0);
    }
    behaviour = 'refuse';
    await until('the last request to end', async () => (await ask(gateway, 'alice')).status !== 429);
  });
});

suite('limits of a group', () => {
  const settings = {
    groups: {
      lab: { shared: { requests_per_minute: 3, concurrent: 100 }, limits: { requests_per_minute: 2 } },
      school: { limits: { requests_per_minute: 1, tokens_per_minute: 1000 } },
    },
    keys: [
      tester,
      keyOf('ada', { group: 'lab' }),
      keyOf('bob', { group: 'lab' }),
      keyOf('cleo', { group: 'school' }),
      keyOf('dan', { group: 'school', limits: { requests_per_minute: 2 } }),
    ],
  };

  test('apply to each key, and `shared` ones to all keys together', async (t) => {
    clock(t);
    await using gateway = await using(await fakeUpstream(counting(5, 5)), settings);
    const statuses: number[] = [];
    for (const key of ['ada', 'ada', 'ada', 'bob', 'bob']) statuses.push((await ask(gateway, key)).status);
    assert.deepEqual(statuses, [200, 200, 429, 200, 429]);
    const of = (key: string): string => `llamaduct_rate_limited_total{key="${key}",limit="requests_per_minute"}`;
    assert.deepEqual([await gateway.metric(of('ada')), await gateway.metric(of('group:lab'))], [1, 1]);
    const refused = await gateway.fetch('/api/chat', posted(chat, 'bob'));
    assert.match(await refused.text(), /The limit of group lab is reached: 3 requests per minute/);
  });

  test('are overridden by limits of a key', async (t) => {
    clock(t);
    await using gateway = await using(await fakeUpstream(counting(5, 5)), settings);
    const statuses: number[] = [];
    for (const key of ['cleo', 'cleo', 'dan', 'dan', 'dan']) statuses.push((await ask(gateway, key)).status);
    assert.deepEqual(statuses, [200, 429, 200, 200, 429]);
    const { headers } = await gateway.fetch('/api/chat', posted(chat, 'dan'));
    assert.deepEqual(
      [headers.get('x-ratelimit-limit-requests'), headers.get('x-ratelimit-limit-tokens')],
      ['2', '1000'],
    );
  });
});

suite('a request that exceeds a limit', () => {
  test('is refused before its images are fetched', async () => {
    const png = Buffer.from('89504e470d0a1a0a', 'hex');
    await using images = await fakeUpstream((res) => void res.writeHead(200, { 'content-type': 'image/png' }).end(png));
    const gatewaySettings = {
      keys: [tester, keyOf('alice', { limits: { requests_per_minute: 1 } })],
      images: { fetch: true, allow: ['127.0.0.0/8'], ports: [Number(new URL(images.url).port)] },
    };
    await using gateway = await using(await fakeUpstream(counting(5, 5)), gatewaySettings);
    const content = [{ type: 'image_url', image_url: { url: `${images.url}/a.png` } }];
    const statuses: number[] = [];
    for (let count = 0; count < 3; count += 1) {
      statuses.push((await ask(gateway, 'alice', { messages: [{ role: 'user', content }] })).status);
    }
    // A new minute can begin once in between.
    const passed = statuses.filter((status) => status === 200).length;
    assert.ok(passed < 3, statuses.join(' '));
    assert.equal(images.requests.length, passed);
  });

  test('is refused although the JSON ends early, which Ollama would ignore', async () => {
    const upstream = await fakeUpstream(counting(5, 5));
    const keys = [tester, keyOf('alice', { limits: { tokens_per_minute: 1000 } })];
    await using gateway = await using(upstream, { keys });
    const body = { model: 'scripted-plain', messages: [{ role: 'user', content: 'long '.repeat(10_000) }] };
    const response = await gateway.fetch('/api/chat', {
      ...posted({}, 'alice'),
      body: `${JSON.stringify(body)} x`,
    });
    assert.equal(response.status, 400);
    assert.equal(upstream.requests.filter(({ url }) => url === '/api/chat').length, 0);
  });
});
