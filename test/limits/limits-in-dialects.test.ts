import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent, type IncomingMessage, request } from 'node:http';
import { json } from 'node:stream/consumers';
import { suite, test } from 'node:test';
import { Anthropic, RateLimitError as AnthropicRateLimitError } from '@anthropic-ai/sdk';
import { OpenAI, RateLimitError } from 'openai';
import { type TestGateway, testGateway, ending } from '../helpers/gateway.ts';
import { chatLine, ndjson } from '../helpers/ollama-answers.ts';
import { saying } from '../helpers/openai-answers.ts';
import { fakeUpstream, openaiUpstream } from '../helpers/upstream.ts';
import { type Endpoint, clock, counting, endpoints, keyOf, posted, tester } from './limited.ts';

const model = 'scripted-plain:latest';
const messages = [{ role: 'user' as const, content: 'hi' }];
const groups = {
  hasty: { limits: { requests_per_minute: 1 } },
  spent: { limits: { tokens_per_day: 600 } },
  small: { limits: { tokens_per_minute: 1 } },
};
const settings = {
  groups,
  keys: [tester, ...Object.keys(groups).map((group) => keyOf(group, { group }))],
  usage: { file: ':memory:' },
};

/** The body of a refusal in the format of each API. */
const bodies: Record<Endpoint['dialect'], (code: string, message: string) => object> = {
  openai: (code, message) => ({ error: { message, type: 'rate_limit_error', param: null, code } }),
  anthropic: (_code, message) => ({ type: 'error', error: { type: 'rate_limit_error', message } }),
  ollama: (_code, message) => ({ error: message }),
};

const minuteIsOver = 'The limit of this key is reached: 1 request per minute. Try again in 50 s.';
const dayIsOver =
  /^The limit of this key is reached: 600 tokens per day; 600 are used, this request needs about \d+\. /;
const neverFits = /^This request needs about \d+ tokens, but the limit of this key is 1 token per minute\. /;

/** A gateway whose keys `hasty` and `spent` have reached their limits. */
async function gatewayAtLimits(kind: 'ollama' | 'openai') {
  const upstream =
    kind === 'ollama'
      ? await fakeUpstream(counting(300, 300))
      : await openaiUpstream(saying(...Array.from({ length: 591 }, () => 'x')), [model]);
  const gateway = await testGateway(upstream, { ...settings, upstream: { kind } });
  for (const key of ['hasty', 'spent']) {
    const response = await gateway.fetch('/v1/chat/completions', posted({ model, messages }, key));
    assert.equal(response.status, 200);
    await response.text();
  }
  return {
    upstream,
    gateway,
    ...ending(gateway, upstream),
  };
}

/** Requests to every endpoint, not streamed and streamed if possible. */
const requests = endpoints.flatMap((endpoint) =>
  (endpoint.streams ? [false, true] : [undefined]).map((stream) => ({
    ...endpoint,
    body: { ...endpoint.body, ...(stream !== undefined && { stream }) },
    name: `${endpoint.path}${stream === true ? ', streamed' : ''}`,
  })),
);

async function refusalOf(gateway: TestGateway, { path, body }: Endpoint, key: string) {
  const response = await gateway.fetch(path, posted(body, key));
  const content = (await response.json()) as { error: string | { message: string } };
  const message = typeof content.error === 'string' ? content.error : content.error.message;
  const header = (name: string): string | null => response.headers.get(name);
  return { status: response.status, type: header('content-type'), content, message, header };
}

for (const kind of ['ollama', 'openai'] as const) {
  suite(`a reached limit, with ${kind} upstream`, () => {
    test('is a 429 in the format of each API, with Retry-After', async (t) => {
      clock(t);
      await using proxy = await gatewayAtLimits(kind);
      const before = proxy.upstream.requests.length;
      for (const { name, ...endpoint } of requests) {
        const { status, type, content, header } = await refusalOf(proxy.gateway, endpoint, 'hasty');
        assert.deepEqual([status, type], [429, 'application/json'], name);
        assert.deepEqual(content, bodies[endpoint.dialect]('rate_limit_exceeded', minuteIsOver), name);
        assert.deepEqual(
          [header('retry-after'), header('x-should-retry'), header('x-ratelimit-limit-requests')],
          ['50', null, '1'],
          name,
        );
        assert.deepEqual(
          [header('x-ratelimit-remaining-requests'), header('x-ratelimit-reset-requests')],
          ['0', '50s'],
          name,
        );
      }
      assert.equal(proxy.upstream.requests.length, before);
      const refused = 'llamaduct_rate_limited_total{key="hasty",limit="requests_per_minute"}';
      assert.equal(await proxy.gateway.metric(refused), requests.length);
    });

    test('is insufficient_quota for a day, and SDKs do not retry', async (t) => {
      clock(t);
      await using proxy = await gatewayAtLimits(kind);
      for (const { name, ...endpoint } of requests) {
        const { status, content, message, header } = await refusalOf(proxy.gateway, endpoint, 'spent');
        assert.equal(status, 429, name);
        assert.match(message, dayIsOver, name);
        assert.ok(message.endsWith('Try again after 2026-11-22T00:00Z.'), name);
        assert.deepEqual(content, bodies[endpoint.dialect]('insufficient_quota', message), name);
        assert.deepEqual([header('retry-after'), header('x-should-retry')], ['43190', 'false'], name);
      }
      const refused = 'llamaduct_rate_limited_total{key="spent",limit="tokens_per_day"}';
      assert.equal(await proxy.gateway.metric(refused), requests.length);
    });

    test('has no Retry-After if the request can never fit', async (t) => {
      clock(t);
      await using proxy = await gatewayAtLimits(kind);
      for (const { name, ...endpoint } of requests.filter(({ path }) => !path.includes('embed'))) {
        const { status, content, message, header } = await refusalOf(proxy.gateway, endpoint, 'small');
        assert.equal(status, 429, name);
        assert.match(message, neverFits, name);
        assert.deepEqual(content, bodies[endpoint.dialect]('rate_limit_exceeded', message), name);
        assert.deepEqual([header('retry-after'), header('x-should-retry')], [null, 'false'], name);
      }
    });
  });
}

suite('a request beyond the concurrent limit', () => {
  test('is a 429 in the format of each API before its body is read, and the connection stays open', async () => {
    const keys = [tester, keyOf('alice', { limits: { concurrent: 1 } })];
    await using upstream = await fakeUpstream((res) => void ndjson(res).write(chatLine('Hel')));
    await using gateway = await testGateway(upstream, { keys, timeouts: { grace: '100ms' } });
    const first = await gateway.fetch('/api/chat', posted({ model, messages }, 'alice'));
    assert.equal(first.status, 200);
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const headers = { authorization: 'Bearer alice' };
    let connections = 0;
    for (const { path, dialect, body } of endpoints) {
      for (const size of [0, 8_000_000]) {
        const asking = request(gateway.url + path, { method: 'POST', agent, headers });
        asking.once('socket', () => (connections += asking.reusedSocket ? 0 : 1));
        asking.end(JSON.stringify({ ...body, padding: 'x'.repeat(size) }));
        const [answer] = (await once(asking, 'response')) as [IncomingMessage];
        assert.deepEqual([answer.statusCode, answer.headers['retry-after']], [429, '1'], path);
        const message =
          'The limit of this key is reached: 1 concurrent request. Try again when one of them has finished.';
        assert.deepEqual(await json(answer), bodies[dialect]('rate_limit_exceeded', message), path);
        if (!asking.writableFinished) await once(asking, 'finish');
      }
    }
    agent.destroy();
    assert.equal(connections, 1);
    await first.body?.cancel();
  });
});

suite('SDKs at a reached limit', () => {
  for (const stream of [false, true]) {
    test(`OpenAI's SDK throws RateLimitError ${stream ? 'for a stream' : 'for a complete answer'}`, async (t) => {
      clock(t);
      await using proxy = await gatewayAtLimits('ollama');
      const of = (apiKey: string, maxRetries: number): OpenAI =>
        new OpenAI({ baseURL: `${proxy.gateway.url}/v1`, apiKey, maxRetries });
      const calls = (client: OpenAI): (() => PromiseLike<unknown>)[] => [
        () => client.chat.completions.create({ model, messages, stream }),
        () => client.responses.create({ model, input: 'hi', stream }),
        () => client.completions.create({ model, prompt: 'hi', stream }),
        () => client.embeddings.create({ model, input: 'hi' }),
      ];
      for (const call of calls(of('hasty', 0))) {
        await assert.rejects(async () => await call(), { constructor: RateLimitError, code: 'rate_limit_exceeded' });
      }
      // The SDK retries twice, but not when the quota of the day is used up.
      for (const call of calls(of('spent', 2))) {
        await assert.rejects(async () => await call(), { constructor: RateLimitError, code: 'insufficient_quota' });
      }
      const refused = 'llamaduct_rate_limited_total{key="spent",limit="tokens_per_day"}';
      assert.equal(await proxy.gateway.metric(refused), 4);
    });

    test(`Anthropic's SDK throws RateLimitError ${stream ? 'for a stream' : 'for a complete answer'}`, async (t) => {
      clock(t);
      await using proxy = await gatewayAtLimits('ollama');
      const { url: baseURL } = proxy.gateway;
      const hasty = new Anthropic({ baseURL, apiKey: 'hasty', maxRetries: 0 }).messages;
      const spent = new Anthropic({ baseURL, apiKey: 'spent', maxRetries: 2 }).messages;
      for (const client of [hasty, spent]) {
        for (const call of [
          async () => await client.create({ model, messages, max_tokens: 16, stream }),
          async () => await client.countTokens({ model, messages }),
        ]) {
          await assert.rejects(call, (error) => {
            assert.ok(error instanceof AnthropicRateLimitError);
            assert.equal((error.error as { error: { type: string } }).error.type, 'rate_limit_error');
            return true;
          });
        }
      }
      const refused = 'llamaduct_rate_limited_total{key="spent",limit="tokens_per_day"}';
      assert.equal(await proxy.gateway.metric(refused), 2);
    });
  }
});
