import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { BackendKind } from '../../src/upstreams/index.ts';
import { sendJson, silent } from '../helpers/answers.ts';
import { skipTime } from '../helpers/clock.ts';
import { type TestGateway, testGateway } from '../helpers/gateway.ts';
import { heldUpstream } from '../helpers/held-upstream.ts';
import { ndjson, plainAnswer } from '../helpers/ollama-answers.ts';
import { saying } from '../helpers/openai-answers.ts';
import { type Answer, type FakeUpstream, fakeUpstream, openaiUpstream } from '../helpers/upstream.ts';
import { until } from '../helpers/wait.ts';
import { chatText, postsTo, preferFirst, queueDepth } from './upstreams.ts';

const settings = {
  retries: { base: '5ms' },
  health: { interval: '1h', failures: 2 },
  timeouts: { first_token: '250ms', grace: '50ms' },
};
const models = ['scripted-plain'];
const start: Record<BackendKind, (answer: Answer) => Promise<FakeUpstream>> = {
  ollama: async (answer) => await fakeUpstream(answer, models),
  openai: async (answer) => await openaiUpstream(answer, models),
};
const working: Record<BackendKind, Answer> = { ollama: plainAnswer(), openai: saying('Hello') };
const isOut = async (gateway: TestGateway, upstream = 'first'): Promise<boolean> =>
  (await gateway.metric(`llamaduct_model_ejected{upstream="${upstream}",model="scripted-plain"}`)) === 1;

/** Reports what is in memory, and hangs when it has to generate. */
const withHangingRunner =
  (hang: Answer): Answer =>
  (res, request) =>
    request.url === '/api/ps' ? sendJson(res, 200, { models: [] }) : hang(res, request);

const eventStream = { 'content-type': 'text/event-stream' };
const hangs: [BackendKind, string, Answer][] = [
  ['ollama', 'before the head', silent],
  ['ollama', 'after the head', (res) => ndjson(res).flushHeaders()],
  ['ollama', 'after an empty line', (res) => void ndjson(res).write('\n')],
  ['openai', 'before the head', silent],
  ['openai', 'after the head', (res) => res.writeHead(200, eventStream).flushHeaders()],
  ['openai', 'after a comment', (res) => void res.writeHead(200, eventStream).write(': waiting\n\n')],
];

suite('an upstream that hangs', () => {
  for (const [kind, name, hang] of hangs) {
    const others = hang === silent ? ['/v1/messages', '/api/chat'] : [];
    for (const path of ['/v1/chat/completions', ...others]) {
      test(`${name} is replaced by another one within the same request: ${kind}, ${path}`, async () => {
        await using bad = await start[kind](withHangingRunner(hang));
        await using good = await start[kind](working[kind]);
        await using gateway = await testGateway(preferFirst([bad, good], kind), settings);
        for (let count = 0; count < 5; count += 1) {
          const response = await gateway.fetch(path, {
            method: 'POST',
            body: JSON.stringify({
              model: 'scripted-plain',
              messages: [{ role: 'user', content: 'hi' }],
              max_tokens: 9,
              stream: true,
            }),
          });
          const text = await response.text();
          assert.equal(response.status, 200, text);
          assert.match(text, /Hello/);
        }
        assert.equal(postsTo(bad), 2, 'it still got requests after two failures');
        assert.equal(await isOut(gateway), true);
        await until('the end of its requests', () => bad.open === 0);
        assert.equal(await gateway.metric('llamaduct_retries_total{upstream="first",code="first_token_timeout"}'), 2);
      });
    }
  }

  test('is replaced for embeddings', async () => {
    await using bad = await fakeUpstream(silent, models);
    await using good = await heldUpstream(models);
    good.flow();
    await using gateway = await testGateway(preferFirst([bad, good]), settings);
    for (const path of ['/v1/embeddings', '/api/embed']) {
      const init = { method: 'POST', body: JSON.stringify({ model: 'scripted-plain', input: 'hi' }) };
      const response = await gateway.fetch(path, init);
      assert.equal(response.status, 200, await response.text());
    }
  });

  test('is replaced when `timeouts.idle` ends the silence', async () => {
    await using bad = await fakeUpstream((res) => ndjson(res).flushHeaders(), models);
    await using good = await fakeUpstream(plainAnswer(), models);
    await using gateway = await testGateway(preferFirst([bad, good]), {
      ...settings,
      // undici looks at these deadlines every half second.
      timeouts: { idle: '100ms', grace: '50ms' },
    });
    assert.match(await chatText(gateway, 'hi', { stream: true }), /Hello/);
    assert.equal(await gateway.metric('llamaduct_retries_total{upstream="first",code="upstream_idle_timeout"}'), 1);
  });

  test('stays out although it lists its models, until it has generated a token', async (t) => {
    await using bad = await fakeUpstream(withHangingRunner(silent), models);
    await using good = await fakeUpstream(plainAnswer(), models);
    await using gateway = await testGateway(preferFirst([bad, good]), {
      ...settings,
      health: { interval: '20ms', failures: 1 },
    });
    await chatText(gateway, 'from a client');
    assert.equal(await isOut(gateway), true);
    const { length } = bad.lists;
    await until('health checks', () => bad.lists.length > length + 2);
    skipTime(t, 1_000);
    await chatText(gateway, 'from a client');
    await until('the end of the trial', () => postsTo(bad) === 2 && bad.open === 0);
    assert.equal(await isOut(gateway), true);
    const asked = bad.requests.filter(({ body }) => body.includes('from a client'));
    assert.equal(asked.length, 1);
    bad.answer = plainAnswer();
    skipTime(t, 2_000);
    await chatText(gateway, 'from a client');
    await until('its return', async () => !(await isOut(gateway)));
    await chatText(gateway, 'from a client');
    const posts = bad.requests.filter(({ method }) => method === 'POST');
    assert.match(posts.at(-1)?.body ?? '', /from a client/);
  });

  test('gives what waits in its queue to another one', async () => {
    await using bad = await heldUpstream(models);
    await using good = await heldUpstream(models);
    good.flow();
    const [first, second] = preferFirst([bad, good]);
    const upstreams = [
      { ...first, parallel: 1 },
      { ...(second ?? first), parallel: 4 },
    ] as const;
    await using gateway = await testGateway(upstreams, {
      ...settings,
      health: { interval: '1h', failures: 1 },
      timeouts: { first_token: '1s', grace: '50ms' },
    });
    // They stay where their conversation is, since the other one is as far as is known no faster.
    const answers = Array.from({ length: 4 }, async () => await chatText(gateway, 'the same conversation'));
    await until('a request at the first', () => bad.held === 1);
    await Promise.all(answers);
    assert.equal(bad.order.length, 1);
    assert.equal(await queueDepth(gateway, 'first'), 0);
  });
});

suite('an only upstream that hangs', () => {
  test('gets one request after each pause; others get the error at once', async (t) => {
    await using upstream = await heldUpstream(models);
    await using gateway = await testGateway(upstream, {
      ...settings,
      upstream: { parallel: 1 },
    });
    const statuses = Array.from({ length: 6 }, async () => {
      const response = await gateway.chat();
      return [response.status, (await response.text()).includes('first_token_timeout')];
    });
    for (const status of await Promise.all(statuses)) assert.deepEqual(status, [504, true]);
    assert.equal(upstream.order.length, 2, 'what waited was sent as well');
    const refused = await gateway.chat();
    assert.equal(refused.status, 504);
    assert.match(refused.headers.get('retry-after') ?? '', /^[1-9]\d*$/);
    await refused.text();
    assert.equal(upstream.order.length, 2);
    assert.equal((await gateway.fetch('/v1/models')).status, 200);
    skipTime(t, 1_000);
    upstream.flow();
    await chatText(gateway, 'hi');
    await chatText(gateway, 'hi');
    assert.equal(upstream.order.length, 4);
  });
});
