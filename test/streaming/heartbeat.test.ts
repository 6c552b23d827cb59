import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { Anthropic } from '@anthropic-ai/sdk';
import { streamText } from 'ai';
import { OpenAI } from 'openai';
import { sendJson } from '../helpers/answers.ts';
import { secret, type TestGateway, testGateway, ending } from '../helpers/gateway.ts';
import { framesOf } from '../helpers/heartbeats.ts';
import { type HeldUpstream, heldUpstream } from '../helpers/held-upstream.ts';
import { chatLine, ndjson, plainAnswer } from '../helpers/ollama-answers.ts';
import { type Answer, fakeUpstream } from '../helpers/upstream.ts';
import { until } from '../helpers/wait.ts';

const depth = 'llamaduct_queue_depth{upstream="ollama"}';
const inFlight = 'llamaduct_upstream_in_flight{upstream="ollama"}';
const silence = '50ms';
const settings = { upstream: { parallel: 1 }, timeouts: { silence, grace: '100ms' } };
/** Milliseconds for any answer, with the time in the queue. */
const deadline = 15_000;

interface Dialect {
  readonly path: string;
  readonly body: (text: string) => object;
  /** True when the last frame of a stream is its only error. */
  readonly failed: (frames: readonly string[], code: string) => boolean;
}

/** The APIs that stream server-sent events. */
const dialects: readonly Dialect[] = [
  {
    path: '/v1/chat/completions',
    body: (content) => ({ messages: [{ role: 'user', content }] }),
    failed: openaiFailed,
  },
  { path: '/v1/completions', body: (prompt) => ({ prompt }), failed: openaiFailed },
  {
    path: '/v1/responses',
    body: (input) => ({ input }),
    failed: (frames, code) => {
      const last = eventOf(frames.at(-1)) as { type: string; response?: { status: string; error: { code: string } } };
      const kinds = frames.map((frame) => (eventOf(frame) as { type: string }).type);
      assert.equal(last.response?.status, 'failed');
      assert.ok(typeof last.response.error.code === 'string', code);
      return kinds.filter((kind) => kind === 'response.failed').length === 1 && kinds.at(-1) === 'response.failed';
    },
  },
  {
    path: '/v1/messages',
    body: (content) => ({ max_tokens: 9, messages: [{ role: 'user', content }] }),
    failed: (frames) => {
      const { type, error } = eventOf(frames.at(-1)) as { type: string; error: { type: string; message: string } };
      return frames.length === 1 && type === 'error' && error.type.endsWith('_error') && error.message !== '';
    },
  },
];

function openaiFailed(frames: readonly string[], code: string): boolean {
  return frames.length === 1 && (eventOf(frames[0]) as { error: { code: string } }).error.code === code;
}

function eventOf(frame = ''): unknown {
  return JSON.parse(/^data: (.*)$/m.exec(frame)?.[1] ?? 'null');
}

/** Splits a stream into its comments and its other frames, without heartbeats. */
function partsOf(text: string): { comments: string[]; frames: string[] } {
  assert.ok(text.endsWith('\n\n'), JSON.stringify(text.slice(-40)));
  return { comments: text.split('\n\n').filter((part) => part.startsWith(':')), frames: framesOf(text) };
}

/** Removes what differs between two answers to the same request: ids and times. */
function timeless(frames: readonly string[]): string[] {
  return frames.map((frame) =>
    frame
      .replaceAll(/\b(chatcmpl|cmpl|resp|msg|rs)_?-?[0-9a-f]{16,}/g, '$1')
      .replaceAll(/"(created|created_at|completed_at)":[\d.]+/g, '"$1":0'),
  );
}

function post(gateway: TestGateway, path: string, body: object, init: RequestInit = {}): Promise<Response> {
  const text = JSON.stringify({ model: 'scripted-plain', ...body });
  return gateway.fetch(path, { method: 'POST', body: text, signal: AbortSignal.timeout(deadline), ...init });
}

async function queued(gateway: TestGateway, count: number): Promise<void> {
  await until(`${count} queued requests`, async () => (await gateway.metric(depth)) === count);
}

/** Occupies the only slot of the upstream. */
async function occupied(gateway: TestGateway, upstream: HeldUpstream): Promise<{ text: Promise<string> }> {
  const text = post(gateway, '/v1/completions', { prompt: 'first' }).then(async (sent) => await sent.text());
  await until('the first request', () => upstream.held === 1);
  return { text };
}

async function logged(gateway: TestGateway, outcome: string, error: string): Promise<Record<string, unknown>> {
  const found = (): Record<string, unknown>[] =>
    gateway.log.filter((line) => line['outcome'] === outcome && line['error'] === error);
  await until(`a log line with the error ${error}`, () => found().length > 0);
  assert.equal(found().length, 1);
  return found()[0] ?? {};
}

async function assertFree(gateway: TestGateway, upstream: HeldUpstream): Promise<void> {
  await until('the release of the slot', async () => (await gateway.metric(inFlight)) === 0);
  await until('the end of all requests', async () => (await gateway.metric('llamaduct_in_flight')) === 1);
  assert.equal(await gateway.metric(depth), 0);
  upstream.flow();
  const after = await post(gateway, '/v1/completions', { prompt: 'after' });
  assert.equal(after.status, 200);
  await after.text();
}

suite('heartbeats of a stream that waits', { concurrency: 4 }, () => {
  for (const { path, body } of dialects) {
    test(`report the queue position, and do not change the frames of the answer: ${path}`, async () => {
      await using upstream = await heldUpstream();
      await using gateway = await testGateway(upstream, settings);
      const streamed = { ...body('hello'), stream: true };
      const { text: first } = await occupied(gateway, upstream);
      const other = post(gateway, '/v1/completions', { prompt: 'other' }).then(async (sent) => await sent.text());
      await queued(gateway, 1);
      const early = await post(gateway, path, streamed);
      assert.equal(early.status, 200);
      assert.match(early.headers.get('content-type') ?? '', /^text\/event-stream/);
      assert.equal(early.headers.get('x-llamaduct-queue-position'), '2');
      assert.match(early.headers.get('x-llamaduct-queue-expected-wait') ?? '', /^[1-9]\d*$/);
      assert.match(early.headers.get('x-request-id') ?? '', /./);
      const reader = early.body?.pipeThrough(new TextDecoderStream()).getReader();
      let text = '';
      while (text.split(': waiting').length < 4) text += (await reader?.read())?.value ?? '';
      assert.match(text, /^: waiting, position 2, about \d+ s\n\n/);
      for (const comment of text.match(/^:.*/gm) ?? []) assert.match(comment, /^: waiting, position 2, about \d+ s$/);
      upstream.release();
      await until('the other request', () => upstream.order.at(-1) === 'other');
      upstream.release();
      await until('the request to start', () => upstream.order.at(-1) === 'hello');
      // There are heartbeats for the time until the first token, too.
      while (!text.includes(': waiting for the model\n\n')) text += (await reader?.read())?.value ?? '';
      upstream.flow();
      for (let part = await reader?.read(); part?.done === false; part = await reader?.read()) text += part.value;
      await Promise.all([first, other]);

      const plain = await post(gateway, path, streamed);
      assert.equal(plain.headers.get('x-llamaduct-queue-position'), null);
      const [waited, direct] = [partsOf(text), partsOf(await plain.text())];
      assert.deepEqual(timeless(waited.frames), timeless(direct.frames));
      assert.ok(direct.frames.length > 2);
      const line = gateway.log.find((entry) => entry['route'] === path && entry['queue_ms'] !== undefined);
      assert.deepEqual([line?.['outcome'], line?.['status']], ['ok', 200]);
      await assertFree(gateway, upstream);
    });
  }

  test('are sent for an answer with several choices', async () => {
    await using upstream = await heldUpstream();
    await using gateway = await testGateway(upstream, settings);
    const { text: first } = await occupied(gateway, upstream);
    const body = { messages: [{ role: 'user', content: 'hello' }], n: 3, stream: true };
    const early = await post(gateway, '/v1/chat/completions', body);
    assert.equal(early.headers.get('x-llamaduct-queue-position'), '1');
    upstream.flow();
    const { frames } = partsOf(await early.text());
    for (const choice of [0, 1, 2]) {
      const expected = new RegExp(`"index":${choice},"delta":\\{[^}]*"content":"hello"`);
      assert.equal(frames.filter((frame) => expected.test(frame)).length, 1);
    }
    assert.equal(frames.at(-1), 'data: [DONE]');
    assert.equal(upstream.most, 1);
    await first;
    await assertFree(gateway, upstream);
  });

  test('carry a header that was not known when the response started', async () => {
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    await using upstream = await fakeUpstream(async (res, request) => {
      if (!request.body.includes('"truncate":true')) {
        return sendJson(res, 400, { error: 'the input length exceeds the context length' });
      }
      await released;
      return await plainAnswer()(res, request);
    });
    await using gateway = await testGateway(upstream, {
      models: [{ match: '*', on_overflow: 'truncate' }],
      timeouts: { silence: '30ms' },
    });
    const response = await gateway.chat({ stream: true });
    assert.equal(response.headers.get('x-llamaduct-truncated'), null);
    release();
    const text = await response.text();
    assert.match(text, /^: waiting for the model\n\n(.*\n\n)*: x-llamaduct-truncated: true\n\ndata: /);
  });

  test('are sent without a queue while the model takes long to answer', async () => {
    await using upstream = await heldUpstream();
    await using gateway = await testGateway(upstream, { timeouts: settings.timeouts });
    const early = await post(gateway, '/v1/completions', { prompt: 'hello', stream: true });
    assert.equal(early.headers.get('x-llamaduct-queue-position'), null);
    upstream.flow();
    const { comments, frames } = partsOf(await early.text());
    assert.equal(comments[0], ': waiting for the model');
    assert.equal(frames.at(-1), 'data: [DONE]');
  });
});

suite('no heartbeat', () => {
  for (const path of ['/api/chat', '/api/generate']) {
    test(`is sent in NDJSON, which has no comments: ${path}`, async () => {
      await using upstream = await heldUpstream();
      // A rule that changes the request makes llamaduct rewrite or translate it.
      for (const models of [[], [{ match: '*', hide_thinking: true, think: false }]]) {
        await using gateway = await testGateway(upstream, { ...settings, models });
        const response = post(gateway, path, { prompt: 'x', messages: [{ role: 'user', content: 'x' }] });
        let answered = false;
        void response.then(() => (answered = true));
        await until('the request', () => upstream.held === 1);
        await new Promise((resolve) => {
          setTimeout(resolve, 120);
        });
        assert.equal(answered, false);
        upstream.release();
        const text = await (await response).text();
        for (const line of text.trimEnd().split('\n')) assert.equal(typeof JSON.parse(line), 'object');
      }
    });
  }

  test('is sent in an answer that is not streamed', async () => {
    await using upstream = await heldUpstream();
    await using gateway = await testGateway(upstream, settings);
    const response = post(gateway, '/v1/completions', { prompt: 'x' });
    await until('the request', () => upstream.held === 1);
    upstream.flow(120);
    const text = await (await response).text();
    assert.equal((JSON.parse(text) as { choices: { text: string }[] }).choices[0]?.text, 'x');
  });

  test('is sent when `timeouts.silence` is 0s', async () => {
    await using upstream = await heldUpstream();
    await using gateway = await testGateway(upstream, { ...settings, timeouts: { silence: '0s' } });
    const response = post(gateway, '/v1/completions', { prompt: 'x', stream: true });
    await until('the request', () => upstream.held === 1);
    upstream.flow();
    const answer = await response;
    assert.equal(answer.headers.get('x-llamaduct-queue-position'), null);
    assert.doesNotMatch(await answer.text(), /: waiting/);
  });

  test('is sent before an upstream error within `timeouts.silence`, which keeps its own status', async () => {
    await using upstream = await heldUpstream();
    await using gateway = await testGateway(upstream, { ...settings, timeouts: { silence: '10s' } });
    for (const { path, body } of dialects) {
      for (const [upstreamStatus, status] of [
        [404, 404],
        [500, 502],
      ] as const) {
        const response = post(gateway, path, { ...body('x'), stream: true });
        await until('the request', () => upstream.held === 1);
        upstream.release(refusal(upstreamStatus));
        const { status: received } = await response.then(async (sent) => (await sent.text(), sent));
        assert.equal(received, status, path);
      }
    }
  });
});

function refusal(status: number): Answer {
  const error = status === 404 ? 'model "scripted-plain" not found' : 'boom';
  return (res) => void res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify({ error }));
}

suite('an error after the first heartbeat', { concurrency: 4 }, () => {
  const faults: Record<string, { answer: Answer; outcome: string; code: string }> = {
    'a 404': { answer: refusal(404), outcome: 'client_error', code: 'model_not_found' },
    'a 500': { answer: refusal(500), outcome: 'upstream_error', code: 'upstream_error' },
    'a connection reset': {
      answer: (res) => void res.socket?.resetAndDestroy(),
      outcome: 'upstream_error',
      code: 'upstream_error',
    },
    'an empty stream': {
      answer: (res) => void ndjson(res).end(),
      outcome: 'upstream_error',
      code: 'upstream_incomplete',
    },
  };
  for (const { path, body, failed } of dialects) {
    for (const [fault, { answer, outcome, code }] of Object.entries(faults)) {
      test(`is sent in the stream, once: ${fault}, ${path}`, async () => {
        await using upstream = await heldUpstream();
        await using gateway = await testGateway(upstream, settings);
        const early = await post(gateway, path, { ...body('x'), stream: true });
        upstream.release(answer);
        const { comments, frames } = partsOf(await early.text());
        assert.ok(comments.length > 0);
        assert.ok(failed(frames, code), frames.join('\n'));
        assert.equal((await logged(gateway, outcome, code))['route'], path);
        await assertFree(gateway, upstream);
      });
    }

    test(`is sent in the stream, once: a wait longer than \`timeouts.queue\`, ${path}`, async () => {
      await using upstream = await heldUpstream();
      await using gateway = await testGateway(upstream, {
        ...settings,
        timeouts: { ...settings.timeouts, queue: '150ms' },
      });
      const { text: first } = await occupied(gateway, upstream);
      const early = await post(gateway, path, { ...body('x'), stream: true });
      const { comments, frames } = partsOf(await early.text());
      assert.ok(comments.length > 0);
      assert.ok(failed(frames, 'queue_timeout'), frames.join('\n'));
      await logged(gateway, 'server_error', 'queue_timeout');
      upstream.flow();
      await first;
      await assertFree(gateway, upstream);
      assert.deepEqual(upstream.order, ['first', 'after']);
    });

    test(`is sent in the stream, once: the stop of the service, ${path}`, async () => {
      await using upstream = await heldUpstream();
      await using gateway = await testGateway(upstream, settings);
      const first = post(gateway, path, { ...body('first'), stream: true });
      await until('the first request', () => upstream.held === 1);
      const answers = [await first, await post(gateway, path, { ...body('x'), stream: true })];
      const texts = answers.map(async (answer) => await answer.text());
      await gateway.close();
      for (const text of await Promise.all(texts)) {
        const { frames } = partsOf(text);
        assert.ok(failed(frames, 'shutting_down'), frames.join('\n'));
      }
      assert.equal(gateway.log.filter(({ error }) => error === 'shutting_down').length, 2);
      assert.deepEqual(upstream.order, ['first']);
    });
  }

  test('is sent after the first token of an answer that breaks off later', async () => {
    await using upstream = await heldUpstream();
    await using gateway = await testGateway(upstream, settings);
    const early = await post(gateway, '/v1/chat/completions', {
      messages: [{ role: 'user', content: 'x' }],
      stream: true,
    });
    upstream.release((res) => void ndjson(res).write(chatLine('Hel'), () => res.destroy()));
    const { frames } = partsOf(await early.text());
    assert.match(frames[0] ?? '', /"content":"Hel"/);
    assert.ok(openaiFailed(frames.slice(-1), 'upstream_incomplete'));
    assert.equal(frames.filter((frame) => frame.includes('"error"')).length, 1);
    await logged(gateway, 'upstream_error', 'upstream_incomplete');
    await assertFree(gateway, upstream);
  });
});

suite('a client that disconnects after the first heartbeat', () => {
  for (const { path, body } of dialects) {
    test(`ends its queued request, or its request at the upstream: ${path}`, async () => {
      await using upstream = await heldUpstream();
      await using gateway = await testGateway(upstream, settings);
      const controllers = [new AbortController(), new AbortController()];
      const answers: Response[] = [];
      for (const [index, { signal }] of controllers.entries()) {
        answers.push(await post(gateway, path, { ...body(`${index}`), stream: true }, { signal }));
      }
      assert.deepEqual([upstream.order, await gateway.metric(depth)], [['0'], 1]);
      controllers[1]?.abort();
      await queued(gateway, 0);
      controllers[0]?.abort();
      await until('the end of the upstream request', () => upstream.open === 0);
      const closed = (): Record<string, unknown>[] => gateway.log.filter(({ outcome }) => outcome === 'client_closed');
      await until('both log lines', () => closed().length === 2);
      assert.deepEqual(
        closed().map(({ phase }) => phase),
        ['waiting', 'waiting'],
      );
      for (const answer of answers) await answer.text().catch(() => undefined);
      await assertFree(gateway, upstream);
      assert.deepEqual(upstream.order, ['0', 'after']);
    });
  }
});

suite('a stream with heartbeats, read by an SDK', { concurrency: true }, () => {
  const words = ['Hello', ' there', '!'];

  async function slow(): Promise<{ upstream: HeldUpstream; gateway: TestGateway } & AsyncDisposable> {
    const upstream = await heldUpstream();
    const gateway = await testGateway(upstream, settings);
    return {
      upstream,
      gateway,
      ...ending(gateway, upstream),
    };
  }

  /** Waits for some heartbeats before it answers. */
  async function answerLate(upstream: HeldUpstream, answer: Answer): Promise<void> {
    await until('the request', () => upstream.held === 1);
    await new Promise((resolve) => {
      setTimeout(resolve, 120);
    });
    upstream.release(answer);
  }

  for (const fails of [false, true]) {
    const answer = fails ? refusal(500) : plainAnswer(words);
    const title = fails ? 'ends with an error' : 'gives the whole answer';

    test(`${title}: chat completions in the openai package`, async () => {
      await using proxy = await slow();
      const openai = new OpenAI({ baseURL: `${proxy.gateway.url}/v1`, apiKey: secret, maxRetries: 0 });
      const late = answerLate(proxy.upstream, answer);
      const reading = (async () => {
        let text = '';
        const stream = await openai.chat.completions.create({
          model: 'scripted-plain',
          messages: [{ role: 'user', content: 'hello' }],
          stream: true,
        });
        for await (const { choices } of stream) text += choices[0]?.delta.content ?? '';
        return text;
      })();
      if (fails) await assert.rejects(reading, { name: 'Error', code: 'upstream_error' });
      else assert.equal(await reading, words.join(''));
      await late;
    });

    test(`${title}: responses in the openai package`, async () => {
      await using proxy = await slow();
      const openai = new OpenAI({ baseURL: `${proxy.gateway.url}/v1`, apiKey: secret, maxRetries: 0 });
      const late = answerLate(proxy.upstream, answer);
      const reading = (async () => {
        const kinds: string[] = [];
        const stream = await openai.responses.create({ model: 'scripted-plain', input: 'hello', stream: true });
        for await (const event of stream) kinds.push(event.type);
        return kinds;
      })();
      if (fails) await assert.rejects(reading, { name: 'Error', code: 'upstream_error' });
      else assert.equal((await reading).at(-1), 'response.completed');
      await late;
    });

    test(`${title}: messages in @anthropic-ai/sdk`, async () => {
      await using proxy = await slow();
      const anthropic = new Anthropic({ baseURL: proxy.gateway.url, apiKey: secret, maxRetries: 0 });
      const late = answerLate(proxy.upstream, answer);
      const stream = anthropic.messages.stream({
        model: 'scripted-plain',
        max_tokens: 9,
        messages: [{ role: 'user', content: 'hello' }],
      });
      if (fails) await assert.rejects(stream.finalText(), Anthropic.APIError);
      else assert.equal(await stream.finalText(), words.join(''));
      await late;
    });

    test(`${title}: streamText in ai`, async () => {
      await using proxy = await slow();
      const provider = createOpenAICompatible({
        name: 'llamaduct',
        baseURL: `${proxy.gateway.url}/v1`,
        apiKey: secret,
      });
      const late = answerLate(proxy.upstream, answer);
      const errors: unknown[] = [];
      const result = streamText({
        model: provider('scripted-plain'),
        prompt: 'hello',
        maxRetries: 0,
        onError: ({ error }) => void errors.push(error),
      });
      let text = '';
      for await (const delta of result.textStream) text += delta;
      assert.deepEqual([text, errors.length], fails ? ['', 1] : [words.join(''), 0]);
      await late;
    });
  }
});
