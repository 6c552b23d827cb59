import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { Anthropic } from '@anthropic-ai/sdk';
import { streamText } from 'ai';
import { OpenAI } from 'openai';
import { secret, type TestGateway, testGateway, ending } from '../helpers/gateway.ts';
import { type Answer, chatLine, ndjson, plainAnswer } from '../helpers/upstream.ts';
import { until } from '../helpers/wait.ts';
import { type HeldUpstream, heldUpstream } from '../pool/held-upstream.ts';

const depth = 'llamaduct_queue_depth{upstream="ollama"}';
const inFlight = 'llamaduct_upstream_in_flight{upstream="ollama"}';
/** Long enough for what is not to be silent, where a test says so. */
const silence = '50ms';
const settings = { upstream: { parallel: 1 }, timeouts: { silence, grace: '100ms' } };
/** Milliseconds for an answer, whatever it waits for. */
const deadline = 15_000;

interface Dialect {
  readonly path: string;
  readonly body: (text: string) => object;
  /** Whether a stream shows, once and as its end, that there is no answer. */
  readonly failed: (frames: readonly string[], code: string) => boolean;
}

/** Those that stream server-sent events. */
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

/** The parts of a stream: comments, and all else. */
function partsOf(text: string): { comments: string[]; frames: string[] } {
  assert.ok(text.endsWith('\n\n'), JSON.stringify(text.slice(-40)));
  const parts = text.slice(0, -2).split('\n\n');
  return {
    comments: parts.filter((part) => part.startsWith(':')),
    frames: parts.filter((part) => !part.startsWith(':')),
  };
}

/** What differs between two answers to the same request: ids, times, and what is made from them. */
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

async function waiting(gateway: TestGateway, count: number): Promise<void> {
  await until(`${count} to wait`, async () => (await gateway.metric(depth)) === count);
}

/** Lets somebody take the only turn. */
async function occupied(gateway: TestGateway, upstream: HeldUpstream): Promise<{ text: Promise<string> }> {
  const text = post(gateway, '/v1/completions', { prompt: 'first' }).then(async (sent) => await sent.text());
  await until('the first', () => upstream.held === 1);
  return { text };
}

async function logged(gateway: TestGateway, outcome: string, error: string): Promise<Record<string, unknown>> {
  const found = (): Record<string, unknown>[] =>
    gateway.log.filter((line) => line['outcome'] === outcome && line['error'] === error);
  await until(`the log to tell of ${error}`, () => found().length > 0);
  assert.equal(found().length, 1);
  return found()[0] ?? {};
}

async function assertFree(gateway: TestGateway, upstream: HeldUpstream): Promise<void> {
  await until('the turn to come back', async () => (await gateway.metric(inFlight)) === 0);
  await until('all to have ended', async () => (await gateway.metric('llamaduct_in_flight')) === 1);
  assert.equal(await gateway.metric(depth), 0);
  upstream.flow();
  const after = await post(gateway, '/v1/completions', { prompt: 'after' });
  assert.equal(after.status, 200);
  await after.text();
}

suite('a stream that waits says so, then gives the answer as it would have', () => {
  for (const { path, body } of dialects) {
    test(path, async () => {
      await using upstream = await heldUpstream();
      await using gateway = await testGateway(upstream, settings);
      const streamed = { ...body('hello'), stream: true };
      const { text: first } = await occupied(gateway, upstream);
      const other = post(gateway, '/v1/completions', { prompt: 'other' }).then(async (sent) => await sent.text());
      await waiting(gateway, 1);
      const early = await post(gateway, path, streamed);
      assert.equal(early.status, 200);
      assert.match(early.headers.get('content-type') ?? '', /^text\/event-stream/);
      assert.equal(early.headers.get('x-llamaduct-queue-position'), '2');
      assert.match(early.headers.get('x-llamaduct-queue-expected-wait') ?? '', /^[1-9]\d*$/);
      assert.match(early.headers.get('x-request-id') ?? '', /./);
      const reader = early.body?.pipeThrough(new TextDecoderStream()).getReader();
      let text = '';
      while (text.split('\n\n').length < 4) text += (await reader?.read())?.value ?? '';
      assert.match(text, /^(: waiting, position 2, about \d+ s\n\n){3,}$/);
      upstream.release();
      await until('the other', () => upstream.order.at(-1) === 'other');
      upstream.release();
      await until('its turn', () => upstream.order.at(-1) === 'hello');
      // The model's own silence is told as well.
      while (!text.includes(': waiting for the model\n\n')) text += (await reader?.read())?.value ?? '';
      upstream.flow();
      for (let part = await reader?.read(); part?.done === false; part = await reader?.read()) text += part.value;
      await Promise.all([first, other]);

      const plain = await post(gateway, path, streamed);
      assert.equal(plain.headers.get('x-llamaduct-queue-position'), null);
      const [waited, direct] = [partsOf(text), partsOf(await plain.text())];
      assert.deepEqual(timeless(waited.frames), timeless(direct.frames));
      assert.ok(direct.frames.length > 2);
      assert.deepEqual(
        direct.comments.filter((comment) => comment.includes('waiting')),
        [],
      );
      const line = gateway.log.find((entry) => entry['route'] === path && entry['queue_ms'] !== undefined);
      assert.deepEqual([line?.['outcome'], line?.['status']], ['ok', 200]);
      await assertFree(gateway, upstream);
    });
  }

  test('several choices too', async () => {
    await using upstream = await heldUpstream();
    await using gateway = await testGateway(upstream, settings);
    const { text: first } = await occupied(gateway, upstream);
    const body = { messages: [{ role: 'user', content: 'hello' }], n: 3, stream: true };
    const early = await post(gateway, '/v1/chat/completions', body);
    assert.equal(early.headers.get('x-llamaduct-queue-position'), '1');
    upstream.flow();
    const { frames } = partsOf(await early.text());
    for (const choice of [0, 1, 2]) {
      const said = new RegExp(`"index":${choice},"delta":\\{[^}]*"content":"hello"`);
      assert.equal(frames.filter((frame) => said.test(frame)).length, 1);
    }
    assert.equal(frames.at(-1), 'data: [DONE]');
    assert.equal(upstream.most, 1);
    await first;
    await assertFree(gateway, upstream);
  });

  test('where nobody queues, a model that takes long is waited for in the same way', async () => {
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

suite('nothing is said early', () => {
  for (const path of ['/api/chat', '/api/generate']) {
    test(`in NDJSON, which has no comments: ${path}`, async () => {
      await using upstream = await heldUpstream();
      // With a rule that changes the request, it is translated or rewritten.
      for (const models of [[], [{ match: '*', hide_thinking: true, think: false }]]) {
        await using gateway = await testGateway(upstream, { ...settings, models });
        const response = post(gateway, path, { prompt: 'x', messages: [{ role: 'user', content: 'x' }] });
        let answered = false;
        void response.then(() => (answered = true));
        await until('it to be there', () => upstream.held === 1);
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

  test('in an answer that is not streamed', async () => {
    await using upstream = await heldUpstream();
    await using gateway = await testGateway(upstream, settings);
    const response = post(gateway, '/v1/completions', { prompt: 'x' });
    await until('it to be there', () => upstream.held === 1);
    upstream.flow(120);
    const text = await (await response).text();
    assert.equal((JSON.parse(text) as { choices: { text: string }[] }).choices[0]?.text, 'x');
  });

  test('where silence is 0s', async () => {
    await using upstream = await heldUpstream();
    await using gateway = await testGateway(upstream, { ...settings, timeouts: { silence: '0s' } });
    const response = post(gateway, '/v1/completions', { prompt: 'x', stream: true });
    await until('it to be there', () => upstream.held === 1);
    upstream.flow();
    const answer = await response;
    assert.equal(answer.headers.get('x-llamaduct-queue-position'), null);
    assert.doesNotMatch(await answer.text(), /: waiting/);
  });

  test('where the upstream refuses in time: that has its own status', async () => {
    await using upstream = await heldUpstream();
    await using gateway = await testGateway(upstream, { ...settings, timeouts: { silence: '10s' } });
    for (const { path, body } of dialects) {
      for (const [given, status] of [
        [404, 404],
        [500, 502],
      ] as const) {
        const response = post(gateway, path, { ...body('x'), stream: true });
        await until('it to be there', () => upstream.held === 1);
        upstream.release(refusal(given));
        const { status: told } = await response.then(async (sent) => (await sent.text(), sent));
        assert.equal(told, status, path);
      }
    }
  });
});

function refusal(status: number): Answer {
  const error = status === 404 ? 'model "scripted-plain" not found' : 'boom';
  return (res) => void res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify({ error }));
}

suite('what goes wrong after the first comment is told in the stream, once', () => {
  const faults: Record<string, { answer: Answer; outcome: string; code: string }> = {
    'a 404': { answer: refusal(404), outcome: 'client_error', code: 'model_not_found' },
    'a 500': { answer: refusal(500), outcome: 'upstream_error', code: 'upstream_error' },
    'a broken connection': {
      answer: (res) => void res.socket?.resetAndDestroy(),
      outcome: 'upstream_error',
      code: 'upstream_error',
    },
    'a stream without anything': {
      answer: (res) => void ndjson(res).end(),
      outcome: 'upstream_error',
      code: 'upstream_incomplete',
    },
  };
  for (const { path, body, failed } of dialects) {
    for (const [fault, { answer, outcome, code }] of Object.entries(faults)) {
      test(`${fault}: ${path}`, async () => {
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

    test(`a wait that takes too long: ${path}`, async () => {
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

    test(`the end of the service: ${path}`, async () => {
      await using upstream = await heldUpstream();
      await using gateway = await testGateway(upstream, settings);
      const first = post(gateway, path, { ...body('first'), stream: true });
      await until('the first', () => upstream.held === 1);
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

  test('an answer that breaks off later is told as ever', async () => {
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

suite('a client that leaves after the first comment', () => {
  for (const { path, body } of dialects) {
    test(`is never sent on, or ends what it asked for: ${path}`, async () => {
      await using upstream = await heldUpstream();
      await using gateway = await testGateway(upstream, settings);
      const controllers = [new AbortController(), new AbortController()];
      const answers: Response[] = [];
      for (const [index, { signal }] of controllers.entries()) {
        answers.push(await post(gateway, path, { ...body(`${index}`), stream: true }, { signal }));
      }
      assert.deepEqual([upstream.order, await gateway.metric(depth)], [['0'], 1]);
      controllers[1]?.abort();
      await waiting(gateway, 0);
      controllers[0]?.abort();
      await until('the upstream to be left', () => upstream.open === 0);
      const left = (): Record<string, unknown>[] => gateway.log.filter(({ outcome }) => outcome === 'client_closed');
      await until('the log to tell of both', () => left().length === 2);
      assert.deepEqual(
        left().map(({ phase }) => phase),
        ['waiting', 'waiting'],
      );
      for (const answer of answers) await answer.text().catch(() => undefined);
      await assertFree(gateway, upstream);
      assert.deepEqual(upstream.order, ['0', 'after']);
    });
  }
});

suite('SDKs read such streams', () => {
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

  /** Lets the stream be silent for some comments, then gives `answer`. */
  async function comeLate(upstream: HeldUpstream, answer: Answer): Promise<void> {
    await until('it to be there', () => upstream.held === 1);
    await new Promise((resolve) => {
      setTimeout(resolve, 120);
    });
    upstream.release(answer);
  }

  for (const fails of [false, true]) {
    const answer = fails ? refusal(500) : plainAnswer(words);
    const title = fails ? 'an error after the comments' : 'an answer';

    test(`openai, chat completions: ${title}`, async () => {
      await using box = await slow();
      const openai = new OpenAI({ baseURL: `${box.gateway.url}/v1`, apiKey: secret, maxRetries: 0 });
      const late = comeLate(box.upstream, answer);
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

    test(`openai, responses: ${title}`, async () => {
      await using box = await slow();
      const openai = new OpenAI({ baseURL: `${box.gateway.url}/v1`, apiKey: secret, maxRetries: 0 });
      const late = comeLate(box.upstream, answer);
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

    test(`@anthropic-ai/sdk: ${title}`, async () => {
      await using box = await slow();
      const anthropic = new Anthropic({ baseURL: box.gateway.url, apiKey: secret, maxRetries: 0 });
      const late = comeLate(box.upstream, answer);
      const stream = anthropic.messages.stream({
        model: 'scripted-plain',
        max_tokens: 9,
        messages: [{ role: 'user', content: 'hello' }],
      });
      if (fails) await assert.rejects(stream.finalText(), Anthropic.APIError);
      else assert.equal(await stream.finalText(), words.join(''));
      await late;
    });

    test(`ai: ${title}`, async () => {
      await using box = await slow();
      const provider = createOpenAICompatible({
        name: 'llamaduct',
        baseURL: `${box.gateway.url}/v1`,
        apiKey: secret,
      });
      const late = comeLate(box.upstream, answer);
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
