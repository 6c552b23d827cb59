import assert from 'node:assert/strict';
import { type TestContext, suite, test } from 'node:test';
import { type Config, type Upstreams, configSchema } from '../src/config/schema.ts';
import { hashSecret } from '../src/config/secret.ts';
import { type TestGateway, secret, testGateway } from './helpers/gateway.ts';
import { type HeldUpstream, heldUpstream } from './helpers/held-upstream.ts';
import { chatLine, doneLine, ndjson, plainAnswer } from './helpers/ollama-answers.ts';
import { type FakeUpstream, fakeUpstream, openaiUpstream } from './helpers/upstream.ts';
import { until } from './helpers/wait.ts';

const tester = { name: 'tester', hash: hashSecret(secret), scopes: ['inference', 'admin', 'metrics'] };

type One = Upstreams[number];

function configOf(upstreams: readonly One[], settings: Record<string, unknown> = {}): Config {
  const input = { listen: '127.0.0.1:0', keys: [tester], retries: { attempts: 1 }, ...settings };
  const { upstreams: _, ...file } = configSchema.parse(input);
  return { ...file, upstreams: upstreams as unknown as Upstreams };
}

interface Service {
  readonly gateway: TestGateway;
  readonly reload: (upstreams: readonly One[], settings?: Record<string, unknown>) => Promise<void>;
  /** @returns the status and the text of a chat with this prompt */
  readonly ask: (prompt: string, body?: object) => Promise<{ status: number; text: string }>;
}

async function start(t: TestContext, upstreams: readonly One[], settings: object = {}): Promise<Service> {
  const gateway = await testGateway(upstreams as unknown as Upstreams, { ...settings });
  t.after(async () => await gateway.close());
  return {
    gateway,
    reload: async (next, changed) =>
      await gateway.reload(async () => await Promise.resolve(configOf(next, { ...settings, ...changed }))),
    async ask(prompt, body = {}) {
      const response = await gateway.chat({ messages: [{ role: 'user', content: prompt }], ...body });
      return { status: response.status, text: await response.text() };
    },
  };
}

async function held(t: TestContext): Promise<HeldUpstream> {
  const upstream = await heldUpstream();
  t.after(async () => await upstream[Symbol.asyncDispose]());
  return upstream;
}

async function plain(t: TestContext): Promise<FakeUpstream> {
  const upstream = await fakeUpstream(plainAnswer());
  t.after(async () => await upstream[Symbol.asyncDispose]());
  return upstream;
}

function as(name: string, { url }: Pick<FakeUpstream, 'url'>, more: Partial<One> = {}): One {
  return { name, kind: 'ollama', url, ...more };
}

const chats = ({ requests }: FakeUpstream): number => requests.filter(({ url }) => url === '/api/chat').length;

suite('a reload', () => {
  test('uses an upstream that it adds, also of the other kind, and its models are listed', async (t) => {
    const first = await plain(t);
    const second = await openaiUpstream(plainAnswer(), ['other']);
    t.after(async () => await second[Symbol.asyncDispose]());
    const { gateway, reload } = await start(t, [as('one', first)]);
    await reload([as('one', first), { name: 'two', kind: 'openai', url: second.url }]);
    await until('its models to be listed', async () => {
      const text = await (await gateway.fetch('/v1/models')).text();
      return text.includes('"other"') && text.includes('"scripted-plain:latest"');
    });
    await (await gateway.chat({ model: 'other' })).text();
    assert.equal(second.requests.length, 1);
    assert.ok(gateway.log.some(({ msg, upstream }) => msg === 'upstream added' && upstream === 'two'));
  });

  test('lets a removed upstream end its running stream, and sends it nothing new', async (t) => {
    const go = Promise.withResolvers<void>();
    const first = await fakeUpstream(async (res) => {
      ndjson(res).write(chatLine('Hello'));
      await go.promise;
      res.write(chatLine(' again'));
      res.end(doneLine());
    });
    t.after(async () => await first[Symbol.asyncDispose]());
    const second = await plain(t);
    const { gateway, reload, ask } = await start(t, [as('one', first)]);
    const running = await gateway.chat({ stream: true });
    await reload([as('two', second)]);
    for (let index = 0; index < 5; index += 1) assert.equal((await ask('new')).status, 200);
    assert.deepEqual([chats(first), chats(second)], [1, 5]);
    go.resolve();
    assert.match(await running.text(), /Hello[^]*again[^]*\[DONE\]/);
    await until('its end to be logged', () =>
      gateway.log.some(({ msg }) => String(msg).startsWith('removed upstream')),
    );
    assert.doesNotMatch(
      await (await gateway.fetch('/metrics')).text(),
      /llamaduct_upstream_(up|ejected)\{upstream="one"\}/,
    );
  });

  for (const [name, next] of [
    ['removes', (_: HeldUpstream, second: FakeUpstream) => [as('two', second)]],
    ['gives another URL', (_: HeldUpstream, second: FakeUpstream) => [as('one', second, { parallel: 1 })]],
    ['takes the queue of', (first: HeldUpstream, second: FakeUpstream) => [as('one', first), as('two', second)]],
  ] as const) {
    test(`moves what waits for an upstream that it ${name}`, async (t) => {
      const [first, second] = [await held(t), await plain(t)];
      const { gateway, reload, ask } = await start(t, [as('one', first, { parallel: 1 })]);
      const running = ask('runs');
      await until('it to run', () => first.held === 1);
      const waiting = [ask('waits'), ask('waits', { stream: true })];
      await until('both to wait', async () => (await gateway.metric('llamaduct_queue_depth{upstream="one"}')) === 2);
      await reload(next(first, second));
      first.flow();
      for (const { status, text } of await Promise.all(waiting)) assert.equal(status, 200, text);
      const { status, text } = await running;
      assert.equal(status, 200);
      assert.match(text, /runs/);
    });
  }

  test('starts what waits when `parallel` grows, and keeps the order when it shrinks', async (t) => {
    const upstream = await held(t);
    const { gateway, reload, ask } = await start(t, [as('one', upstream, { parallel: 1 })]);
    const answers = [ask('1')];
    await until('the first to run', () => upstream.held === 1);
    for (const prompt of ['2', '3', '4']) {
      answers.push(ask(prompt));
      const depth = answers.length - 1;
      await until('it to wait', async () => (await gateway.metric('llamaduct_queue_depth{upstream="one"}')) === depth);
    }
    await reload([as('one', upstream, { parallel: 3 })]);
    await until('three to run', () => upstream.held === 3);
    await reload([as('one', upstream, { parallel: 1 })]);
    upstream.release();
    upstream.release();
    await until('one to run', () => upstream.held === 1);
    upstream.flow();
    for (const answer of answers) assert.equal((await answer).status, 200);
    assert.deepEqual(upstream.order, ['1', '2', '3', '4']);
  });

  test('applies the bounds of the queue, and refuses nothing that waits already', async (t) => {
    const upstream = await held(t);
    const upstreams = [as('one', upstream, { parallel: 1 })];
    const { gateway, reload, ask } = await start(t, upstreams);
    const answers = [ask('1')];
    await until('the first to run', () => upstream.held === 1);
    answers.push(ask('2'), ask('3'));
    await until('two to wait', async () => (await gateway.metric('llamaduct_queue_depth{upstream="one"}')) === 2);
    await reload(upstreams, { queue: { waiting_per_key: 1 } });
    assert.equal((await ask('4')).status, 429);
    await reload(upstreams, { queue: { waiting: 2 } });
    assert.equal((await ask('5')).status, 503);
    upstream.flow();
    for (const answer of answers) assert.equal((await answer).status, 200);
  });

  test('sends a changed API key, changed headers and the weight of an upstream', async (t) => {
    const upstream = await plain(t);
    const { reload, ask } = await start(t, [as('one', upstream, { key: 'old' })]);
    await ask('before');
    await reload([as('one', upstream, { key: 'new', headers: { 'x-team': 'lab' }, weight: 2 })]);
    await ask('after');
    const [before, after] = upstream.requests.filter(({ url }) => url === '/api/chat').map(({ headers }) => headers);
    assert.equal(before?.authorization, 'Bearer old');
    assert.deepEqual([after?.authorization, after?.['x-team']], ['Bearer new', 'lab']);
  });

  test('is not noticed by clients, whatever it changes about upstreams', async (t) => {
    const [one, two, three] = [await plain(t), await plain(t), await plain(t)];
    const { reload, ask } = await start(t, [as('one', one, { parallel: 2 }), as('two', two)], {
      retries: { attempts: 3 },
    });
    const states = [
      [as('one', one, { parallel: 4 }), as('three', three)],
      [as('two', two, { parallel: 1 })],
      [as('one', two, { parallel: 2 })],
      [as('one', one), as('two', two, { parallel: 3 }), as('three', three)],
      [as('three', three, { key: 'another' })],
    ];
    const clientsMay = { go: true };
    let served = 0;
    const failed: unknown[] = [];
    const clients = Array.from({ length: 12 }, async (_, index) => {
      while (clientsMay.go) {
        const { status, text } = await ask('hi', { stream: index % 2 === 0 });
        if (status === 200 && (index % 2 === 1 || text.endsWith('data: [DONE]\n\n'))) served += 1;
        else failed.push([status, text]);
      }
    });
    for (let round = 0; round < 20; round += 1) {
      const before = served;
      await reload(states[round % states.length] ?? [], {
        timeouts: { connect: `${5 + (round % 2)}s` },
        queue: { waiting: 900 + round },
      });
      await until('more to be served', () => served > before + 12 || failed.length > 0);
    }
    clientsMay.go = false;
    await Promise.all(clients);
    assert.deepEqual(failed, []);
  });

  test('applies a timeout to the next request, and not to those that run', async (t) => {
    const upstream = await held(t);
    const { reload, ask } = await start(t, [as('one', upstream)]);
    const running = ask('runs');
    await until('it to run', () => upstream.held === 1);
    await reload([as('one', upstream)], { timeouts: { total: '200ms', connect: '3s' } });
    assert.equal((await ask('late')).status, 504);
    upstream.flow();
    assert.equal((await running).status, 200);
  });
});

suite('a reload applies', () => {
  const cases: readonly [setting: string, settings: Record<string, unknown>, body: object, status: number][] = [
    ['limits.body', { limits: { body: '1KiB' } }, { metadata: { text: 'x'.repeat(2000) } }, 413],
    ['limits.choices', { limits: { choices: 1 } }, { n: 2 }, 400],
    ['strict', { strict: true }, { logit_bias: { 1: 1 } }, 400],
  ];
  for (const [setting, settings, body, status] of cases) {
    test(setting, async (t) => {
      const upstream = await plain(t);
      const { reload, ask } = await start(t, [as('one', upstream)]);
      assert.equal((await ask('hi', body)).status, 200);
      await reload([as('one', upstream)], settings);
      assert.equal((await ask('hi', body)).status, status);
      await reload([as('one', upstream)]);
      assert.equal((await ask('hi', body)).status, 200);
    });
  }

  test('limits.in_flight, which counts requests that were there before', async (t) => {
    const upstream = await held(t);
    const { reload, ask } = await start(t, [as('one', upstream)]);
    const running = ask('runs');
    await until('it to run', () => upstream.held === 1);
    await reload([as('one', upstream)], { limits: { in_flight: 1 } });
    assert.equal((await ask('too many')).status, 503);
    upstream.flow();
    assert.equal((await running).status, 200);
    await until('a free place', async () => (await ask('next')).status === 200);
  });

  test('keep_alive_timeout and trusted_proxies', async (t) => {
    const upstream = await plain(t);
    const { gateway, reload } = await start(t, [as('one', upstream)]);
    const headers = { 'x-forwarded-for': '192.0.2.7' };
    const timeout = async (): Promise<string | null> =>
      (await gateway.fetch('/v1/models', { headers })).headers.get('keep-alive');
    assert.equal(await timeout(), 'timeout=65');
    await reload([as('one', upstream)], { keep_alive_timeout: '7s', trusted_proxies: ['127.0.0.1'] });
    assert.equal(await timeout(), 'timeout=7');
    await until('the line of the request', () => gateway.log.some(({ client }) => client === '192.0.2.7'));
  });

  test('cors, reasoning_field and log_level', async (t) => {
    const upstream = await plain(t);
    const { gateway, reload } = await start(t, [as('one', upstream)]);
    const origin = 'https://chat.example.org';
    const allowed = async (): Promise<string | null> =>
      (await gateway.fetch('/v1/models', { headers: { origin } })).headers.get('access-control-allow-origin');
    assert.equal(await allowed(), null);
    await reload([as('one', upstream)], { cors: [origin], log_level: 'error', reasoning_field: 'reasoning' });
    assert.equal(await allowed(), origin);
    const lines = gateway.log.length;
    await (await gateway.chat()).text();
    assert.equal(gateway.log.length, lines);
  });
});
