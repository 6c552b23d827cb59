import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { BackendKind } from '../../src/upstreams/index.ts';
import { htmlPage, json, resetting } from '../helpers/answers.ts';
import { skipTime } from '../helpers/clock.ts';
import { type TestGateway, testGateway } from '../helpers/gateway.ts';
import { chatLine, doneLine, failing, ndjson, plainAnswer } from '../helpers/ollama-answers.ts';
import { openaiError, saying } from '../helpers/openai-answers.ts';
import { type Answer, type FakeUpstream, fakeUpstream, openaiUpstream } from '../helpers/upstream.ts';
import { until } from '../helpers/wait.ts';
import { chatText, isEjected, postsTo, preferFirst, upstreamsAt } from './upstreams.ts';

const models = ['shared', 'own'];
const settings = { retries: { base: '5ms', share: 1 }, health: { interval: '1h', failures: 3 } };

const start: Record<BackendKind, (answer: Answer) => Promise<FakeUpstream>> = {
  ollama: async (answer) => await fakeUpstream(answer, models),
  openai: async (answer) => await openaiUpstream(answer, models),
};
const working: Record<BackendKind, Answer> = { ollama: plainAnswer(), openai: saying('Hello') };

const engineDied = openaiError('EngineCore encountered an issue. See stack trace (above) for the root cause.');
const crash = 'llama runner process has terminated: CUDA error: an illegal memory access was encountered';
const errorEvent: Answer = (res) => {
  res.writeHead(200, { 'content-type': 'text/event-stream' }).end(`data: ${JSON.stringify(engineDied)}\n\n`);
};
const failures: Record<BackendKind, Record<string, Answer>> = {
  ollama: {
    'its own 500': json(500, { error: crash }),
    'a 503': json(503, { error: 'server busy, please try again.  maximum pending requests exceeded' }),
    'a 500 without a body': (res) => void res.writeHead(500).end(),
    'a page of a proxy': htmlPage(500),
    'a broken connection': resetting,
    'an error as the first line': (res) => void ndjson(res).end(`${JSON.stringify({ error: crash })}\n`),
    'an empty answer': (res) => void ndjson(res).end(),
    'a page with status 200': htmlPage(200),
  },
  openai: {
    'its own 500': json(500, engineDied),
    'a 503': json(503, openaiError('The model is overloaded.')),
    "LM Studio's 400 for a crash": json(400, { error: 'The model has crashed without additional information.' }),
    'a 500 without a body': (res) => void res.writeHead(500).end(),
    'a page of a proxy': htmlPage(502),
    'a broken connection': resetting,
    'an error as the first event': errorEvent,
    'an empty answer': (res) => void res.writeHead(200, { 'content-type': 'text/event-stream' }).end(),
    'a page with status 200': htmlPage(200),
  },
};

/** Sends one request to each endpoint, streamed and not. @returns the statuses and bodies */
async function askAll(gateway: TestGateway, kind: BackendKind): Promise<[status: number, text: string][]> {
  const messages = [{ role: 'user', content: 'hi' }];
  const bodies: (readonly [path: string, body: object])[] = [
    ['/v1/chat/completions', { messages }],
    ['/v1/messages', { messages, max_tokens: 9 }],
    ['/v1/responses', { input: 'hi' }],
    ['/api/chat', { messages }],
    ...(kind === 'ollama' ? ([['/v1/completions', { prompt: 'hi' }]] as const) : []),
  ];
  const answers: [number, string][] = [];
  for (const [path, body] of bodies) {
    const streamed = [true, false];
    // The fake always streams, which a request that is passed on may not want.
    const isPassedOn = path === (kind === 'ollama' ? '/api/chat' : '/v1/chat/completions');
    for (const stream of isPassedOn ? [true] : streamed) {
      const response = await gateway.fetch(path, {
        method: 'POST',
        body: JSON.stringify({ model: 'shared', stream, ...body }),
      });
      answers.push([response.status, await response.text()]);
    }
  }
  return answers;
}

suite('an upstream that fails with one model', () => {
  for (const kind of ['ollama', 'openai'] as const) {
    for (const [name, failure] of Object.entries(failures[kind])) {
      test(`is left by that model's requests after three failures, and nobody notices: ${kind}, ${name}`, async () => {
        await using bad = await start[kind](async (res, request) => {
          await (request.body.includes('"own"') ? working[kind] : failure)(res, request);
        });
        await using good = await start[kind](working[kind]);
        await using gateway = await testGateway(preferFirst([bad, good], kind), settings);
        for (let round = 0; round < 3; round += 1) {
          for (const [status, text] of await askAll(gateway, kind)) {
            assert.equal(status, 200, text);
            assert.doesNotMatch(text, /"error":[^n]/);
          }
        }
        assert.equal(postsTo(bad), 3);
        // A broken connection, or an error without JSON, may mean that the server is gone, until it lists its models.
        await until('the health check', async () => !(await isEjected(gateway, 'first')));
        await chatText(gateway, 'hi', { model: 'own' });
        assert.equal(postsTo(bad), 4);
        assert.equal(await gateway.metric('llamaduct_model_ejected{upstream="first",model="shared"}'), 1);
      });
    }
  }

  test('is left when its answers break off', async () => {
    const half: Answer = (res) => {
      ndjson(res).write(chatLine('half'), () => res.destroy());
    };
    await using bad = await fakeUpstream(half, models);
    await using good = await fakeUpstream(plainAnswer(), models);
    await using gateway = await testGateway(preferFirst([bad, good]), settings);
    for (let count = 0; count < 3; count += 1) assert.match(await chatText(gateway, 'a', { stream: true }), /"error"/);
    assert.match(await chatText(gateway, 'a', { model: 'shared', stream: true }), /"error"/);
    for (let count = 0; count < 3; count += 1) await chatText(gateway, 'a', { model: 'shared', stream: true });
    assert.match(await chatText(gateway, 'a', { model: 'shared', stream: true }), /Hello/);
  });

  test('is not left for the faults of clients', async () => {
    for (const answer of [failing(400), json(400, { error: 'the input length exceeds the context length' })]) {
      await using first = await fakeUpstream(answer, models);
      await using second = await fakeUpstream(plainAnswer(), models);
      await using gateway = await testGateway(preferFirst([first, second]), settings);
      for (let count = 0; count < 10; count += 1) assert.equal((await gateway.chat({ model: 'shared' })).status, 400);
      assert.equal(first.requests.filter(({ url }) => url === '/api/chat').length, 10);
    }
  });

  test('is left for a moment when it asks for fewer requests', async () => {
    await using first = await fakeUpstream(json(429, { error: 'slowly' }, { 'retry-after': '7' }), models);
    await using second = await fakeUpstream(plainAnswer(), models);
    await using gateway = await testGateway(preferFirst([first, second]), settings);
    assert.equal((await gateway.chat({ model: 'shared' })).status, 429);
    for (let count = 0; count < 10; count += 1) await chatText(gateway, 'a', { model: 'shared' });
    assert.equal(postsTo(first), 1);
    assert.equal(await gateway.metric('llamaduct_model_ejected{upstream="first",model="shared"}'), 0);
  });
});

suite('a model that all upstreams fail with', () => {
  test("gives clients the upstream's own error, and is back with the first upstream that works", async () => {
    await using first = await fakeUpstream(json(500, { error: crash }), models);
    await using second = await fakeUpstream(json(500, { error: crash }), models);
    await using gateway = await testGateway(upstreamsAt([first, second]), settings);
    for (let count = 0; count < 10; count += 1) {
      const response = await gateway.chat({ model: 'shared' });
      assert.equal(response.status, 502);
      assert.match(await response.text(), /CUDA error/);
    }
    second.answer = plainAnswer();
    await chatText(gateway, 'a', { model: 'shared' });
    const before = postsTo(first);
    for (let count = 0; count < 10; count += 1) await chatText(gateway, `conversation ${count}`, { model: 'shared' });
    assert.equal(postsTo(first), before);
  });

  test('is still asked of an only upstream', async () => {
    await using upstream = await fakeUpstream(json(500, { error: crash }), models);
    await using gateway = await testGateway(upstream, { health: { failures: 1, interval: '1h' } });
    for (let count = 1; count <= 5; count += 1) {
      assert.equal((await gateway.chat({ model: 'shared' })).status, 502);
      assert.equal(postsTo(upstream), count);
    }
    upstream.answer = plainAnswer();
    await chatText(gateway, 'a', { model: 'shared' });
  });
});

suite('the trial of an ejected model', () => {
  const embedded = json(200, { model: 'shared', embeddings: [[0.5]], total_duration: 1 });

  for (const [kind, path, body] of [
    ['ollama', '/api/chat', { model: 'shared', options: { num_ctx: 4096, num_predict: 1 }, stream: true }],
    ['openai', '/v1/chat/completions', { model: 'shared', stream: true }],
  ] as const) {
    test(`is a request for one token, with the options of the model's rule: ${kind}`, async (t) => {
      await using bad = await start[kind](json(500, engineDied));
      await using good = await start[kind](working[kind]);
      await using gateway = await testGateway(preferFirst([bad, good], kind), {
        ...settings,
        health: { interval: '1h', failures: 1 },
        models: [{ match: 'shared', pin: { num_ctx: 4096 } }],
      });
      await chatText(gateway, 'from a client', { model: 'shared' });
      bad.answer = working[kind];
      await chatText(gateway, 'from a client', { model: 'shared' });
      assert.equal(postsTo(bad), 1, 'it was tried before the pause was over');
      skipTime(t, 1_000);
      await chatText(gateway, 'from a client', { model: 'shared' });
      const ejected = 'llamaduct_model_ejected{upstream="first",model="shared"}';
      await until('the trial', async () => (await gateway.metric(ejected)) === 0);
      const trial = bad.requests.at(-1);
      assert.equal(trial?.url, path);
      assert.doesNotMatch(trial?.body ?? '', /from a client/);
      assert.partialDeepStrictEqual(JSON.parse(trial?.body ?? ''), body);
      await chatText(gateway, 'from a client', { model: 'shared' });
      assert.match(bad.requests.at(-1)?.body ?? '', /from a client/);
    });
  }

  test('is an embedding for a model that failed with those', async (t) => {
    await using bad = await fakeUpstream(failing(500), models);
    await using good = await fakeUpstream(embedded, models);
    await using gateway = await testGateway(preferFirst([bad, good]), {
      ...settings,
      health: { interval: '1h', failures: 1 },
    });
    const embed = async (): Promise<number> => {
      const init = { method: 'POST', body: JSON.stringify({ model: 'shared', input: 'from a client' }) };
      const response = await gateway.fetch('/v1/embeddings', init);
      await response.text();
      return response.status;
    };
    assert.equal(await embed(), 200);
    bad.answer = embedded;
    skipTime(t, 1_000);
    assert.equal(await embed(), 200);
    await until('the trial', () => postsTo(bad) === 2);
    assert.equal(bad.requests.at(-1)?.url, '/api/embed');
    assert.doesNotMatch(bad.requests.at(-1)?.body ?? '', /from a client/);
  });

  for (const health of [
    { trials: 'request', interval: '1h' },
    { trials: 'probe', interval: '0s' },
  ]) {
    test(`is a client's request with ${JSON.stringify(health)}`, async (t) => {
      await using bad = await fakeUpstream(failing(500), models);
      await using good = await fakeUpstream(plainAnswer(), models);
      await using gateway = await testGateway(preferFirst([bad, good]), {
        ...settings,
        health: { failures: 1, ...health },
      });
      for (let count = 0; count < 5; count += 1) await chatText(gateway, 'from a client', { model: 'shared' });
      assert.equal(postsTo(bad), 1);
      skipTime(t, 1_000);
      for (let count = 0; count < 5; count += 1) await chatText(gateway, 'from a client', { model: 'shared' });
      assert.equal(postsTo(bad), 2);
      bad.answer = plainAnswer();
      skipTime(t, 2_000);
      for (let count = 0; count < 5; count += 1) await chatText(gateway, 'from a client', { model: 'shared' });
      assert.equal(postsTo(bad), 7);
      assert.match(bad.requests.at(-1)?.body ?? '', /from a client/);
    });
  }

  test("is a client's request when the upstream refuses the one for one token", async (t) => {
    const completionsOnly: Answer = (res, { url }) => {
      if (url === '/api/chat') res.writeHead(400).end('{"error":"the model does not support chat"}');
      else ndjson(res).end(doneLine({ message: undefined, response: 'Hello' }));
    };
    await using bad = await fakeUpstream(failing(500), models);
    await using good = await fakeUpstream(completionsOnly, models);
    await using gateway = await testGateway(preferFirst([bad, good]), {
      ...settings,
      health: { interval: '1h', failures: 1 },
    });
    const complete = async (): Promise<void> => {
      const init = { method: 'POST', body: JSON.stringify({ model: 'shared', prompt: 'from a client' }) };
      const response = await gateway.fetch('/v1/completions', init);
      assert.equal(response.status, 200, await response.text());
    };
    await complete();
    bad.answer = completionsOnly;
    skipTime(t, 1_000);
    await until('a request of a client', async () => {
      await complete();
      return postsTo(bad) > 2;
    });
    const posts = bad.requests.filter(({ method }) => method === 'POST');
    assert.deepEqual(posts.map(({ url }) => url).slice(0, 3), ['/api/generate', '/api/chat', '/api/generate']);
  });
});

test('the log says which upstream was left, why and for how long, without the text of the error', async (t) => {
  await using bad = await fakeUpstream(json(500, { error: 'the prompt was: secret words' }), models);
  await using good = await fakeUpstream(plainAnswer(), models);
  await using gateway = await testGateway(preferFirst([bad, good]), {
    ...settings,
    health: { interval: '20ms', failures: 2 },
  });
  const lines = (): Record<string, unknown>[] =>
    gateway.log
      .filter(({ msg }) => /ejected|back/.test(String(msg)))
      .map((line) => Object.fromEntries(Object.entries(line).filter(([name]) => name !== 'level' && name !== 'time')));
  for (let count = 0; count < 5; count += 1) await chatText(gateway, 'a', { model: 'shared' });
  const failure = { error: 'upstream_error', status: 500, failures: 2 };
  assert.deepEqual(lines(), [{ upstream: 'first', model: 'shared', ...failure, msg: 'model ejected on an upstream' }]);
  bad.answer = plainAnswer();
  skipTime(t, 1_000);
  await chatText(gateway, 'a', { model: 'shared' });
  await until('the end of the ejection', () => lines().length === 2);
  const { ejected_s: seconds, ...back } = lines()[1] ?? {};
  assert.deepEqual(back, {
    upstream: 'first',
    model: 'shared',
    ...failure,
    failures: 1,
    msg: 'model is back on an upstream',
  });
  assert.ok(Number(seconds) >= 1, String(seconds));
  const { list } = bad;
  bad.list = htmlPage(502);
  await until('the ejection', () => lines().length === 3);
  assert.deepEqual(lines()[2], { ...failure, upstream: 'first', status: 502, msg: 'upstream ejected' });
  bad.list = list;
  await until('the end of the ejection', () => lines().length === 4);
  assert.equal(lines()[3]?.['msg'], 'upstream is back');
  assert.equal(typeof lines()[3]?.['ejected_s'], 'number');
  assert.doesNotMatch(JSON.stringify(gateway.log), /secret words/);
});
