import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Exchange } from '../../src/exchange/exchange.ts';
import type { Ending } from '../../src/exchange/ending.ts';
import { GatewayError } from '../../src/errors.ts';
import type { TotalUsage } from '../../src/chat/stream.ts';
import { OutputRate } from '../../src/pool/output-rate.ts';
import { type TestGateway, testGateway } from '../helpers/gateway.ts';
import { sendJson } from '../helpers/answers.ts';
import { type FakeUpstream, fakeUpstream, openaiUpstream } from '../helpers/upstream.ts';
import { until } from '../helpers/wait.ts';

const messages = [{ role: 'user', content: 'a prompt of some length' }];
const body = { model: 'scripted-plain', messages, prompt: 'a prompt of some length' };

interface Line {
  readonly name: string;
  readonly requests: number;
  readonly input_tokens: number;
  readonly output_tokens: number;
}

/** What the key has used, once so many requests have ended. */
async function used(gateway: TestGateway, requests = 1): Promise<Line> {
  let line: Line | undefined;
  await until('the usage', async () => {
    const since = new Date(Date.now() - 3_600_000 - Math.random() * 1000).toISOString();
    const response = await gateway.fetch(`/v1/usage?by=key&since=${since}`);
    [line] = ((await response.json()) as { data: Line[] }).data;
    return line?.requests === requests;
  });
  return line as Line;
}

/** Sends a request, and leaves once the upstream has it. */
async function leave(gateway: TestGateway, upstream: FakeUpstream, path: string, request: object): Promise<void> {
  const client = new AbortController();
  const aborted = gateway.fetch(path, { method: 'POST', body: JSON.stringify(request), signal: client.signal });
  await until('the request to reach the upstream', () => upstream.open === 1);
  client.abort();
  await assert.rejects(aborted, { name: 'AbortError' });
  await until('the upstream request to be aborted', () => upstream.open === 0);
}

describe('a client that leaves before the first piece of its answer', () => {
  const generation = ['/v1/chat/completions', '/v1/messages', '/v1/responses', '/api/chat', '/api/generate'];
  const embeddings = ['/v1/embeddings', '/api/embed', '/api/embeddings'];
  const kinds = {
    ollama: async () => await fakeUpstream(() => undefined),
    openai: async () => await openaiUpstream(() => undefined, ['scripted-plain']),
  } as const;
  for (const [kind, start] of Object.entries(kinds)) {
    for (const parallel of [undefined, 2]) {
      test(`is charged for prompt and time: ${kind}, ${parallel === undefined ? 'without' : 'with'} a queue`, async () => {
        await using upstream = await start();
        const more = { kind: kind as keyof typeof kinds, url: upstream.url, ...(parallel && { parallel }) };
        for (const path of generation) {
          for (const stream of [true, false]) {
            await using gateway = await testGateway(upstream, { upstream: more });
            const {
              messages: _,
              prompt: __,
              ...input
            } = { ...body, input: 'a prompt of some length', max_tokens: 100 };
            await leave(gateway, upstream, path, {
              ...(path === '/v1/responses' ? input : { ...body, max_tokens: 100 }),
              stream,
            });
            const { input_tokens: prompt, output_tokens: output } = await used(gateway);
            assert.ok(prompt >= 5, `${path} ${prompt}`);
            assert.ok(output > 0, `${path} ${output}`);
          }
        }
        for (const path of embeddings) {
          await using gateway = await testGateway(upstream, { upstream: more });
          await leave(gateway, upstream, path, { ...body, input: 'a text of some length' });
          const { input_tokens: prompt, output_tokens: output } = await used(gateway);
          assert.ok(prompt >= 5, `${path} ${prompt}`);
          assert.equal(output, 0, path);
        }
      });
    }
  }

  test('is not charged while it waits for its turn', async () => {
    await using upstream = await fakeUpstream(() => undefined);
    await using gateway = await testGateway(upstream, { upstream: { parallel: 1 } });
    const first = new AbortController();
    const running = gateway.fetch('/api/chat', { method: 'POST', body: JSON.stringify(body), signal: first.signal });
    await until('the first to reach the upstream', () => upstream.open === 1);
    const second = new AbortController();
    const waiting = gateway.fetch('/api/chat', { method: 'POST', body: JSON.stringify(body), signal: second.signal });
    await until(
      'the second to wait',
      async () => (await gateway.metric('llamaduct_queue_depth{upstream="ollama"}')) === 1,
    );
    second.abort();
    await assert.rejects(waiting, { name: 'AbortError' });
    const { input_tokens: input, output_tokens: output } = await used(gateway);
    assert.deepEqual([input, output], [0, 0]);
    first.abort();
    await assert.rejects(running, { name: 'AbortError' });
  });

  test('is not charged for a refusal, and a request that only loads a model for nothing', async () => {
    const idle = { model: 'scripted-plain', message: { content: '' }, done: true, done_reason: 'load' };
    await using upstream = await fakeUpstream((res, { url }) =>
      url === '/api/chat' ? sendJson(res, 200, idle) : sendJson(res, 404, { error: 'model not found' }),
    );
    await using gateway = await testGateway(upstream);
    await (await gateway.fetch('/api/chat', { method: 'POST', body: '{"model":"scripted-plain"}' })).text();
    await (await gateway.fetch('/api/generate', { method: 'POST', body: JSON.stringify(body) })).text();
    await (await gateway.fetch('/api/embed', { method: 'POST', body: JSON.stringify({ ...body, input: 'x' }) })).text();
    const { input_tokens: input, output_tokens: output } = await used(gateway, 3);
    assert.ok(input < 10 && output === 0, `${input} ${output}`);
  });

  test('is charged for token ids as for text', async () => {
    await using upstream = await fakeUpstream(() => undefined);
    await using gateway = await testGateway(upstream);
    const context = Array.from({ length: 1000 }, (_, id) => id);
    await leave(gateway, upstream, '/api/generate', { model: 'scripted-plain', prompt: 'go on', context });
    assert.ok((await used(gateway)).input_tokens >= 1000);
  });
});

describe('an exchange whose upstream counted nothing', () => {
  const estimate = { inputTokens: 20, outputTokens: 512 };
  const usage: TotalUsage = { usage: { inputTokens: 7, outputTokens: 9 }, timings: {} };
  const left = new GatewayError('client_closed', 'The client left.');

  /** Ends an exchange after what `happens` to it. */
  function charged(happens: (exchange: Exchange) => void): Ending['charged'] {
    let ending: Ending | undefined;
    const exchange = new Exchange('POST', undefined, {
      chunkGaps: () => ({ observe: () => undefined }),
      ended: (_, how) => {
        ending = how;
      },
      stopped: () => undefined,
    });
    Object.assign(exchange, { estimate, outputRate: 100 });
    happens(exchange);
    exchange.end(left);
    assert.ok(ending);
    return ending.charged;
  }

  /** Ten seconds ago. */
  const earlier = (): number => performance.now() - 10_000;

  test('is charged by the time of slots that it still holds', () => {
    const { inputTokens, outputTokens } = charged((exchange) => {
      exchange.maxOutputTokens = Infinity;
      exchange.onServiceStart(earlier());
    });
    assert.equal(inputTokens, 20);
    assert.ok(outputTokens >= 1000, String(outputTokens));
  });

  test('is charged by the time of slots that it gave back, but not of those whose server failed', () => {
    const { outputTokens } = charged((exchange) => {
      exchange.maxOutputTokens = Infinity;
      const [first, second] = [earlier(), earlier()];
      exchange.onServiceStart(first);
      exchange.onServiceStart(second);
      exchange.onServiceEnd(first, true);
      exchange.onServiceEnd(second, false);
    });
    assert.ok(outputTokens >= 1000 && outputTokens < 2000, String(outputTokens));
    const failed = charged((exchange) => {
      const since = earlier();
      exchange.onServiceStart(since);
      exchange.onServiceEnd(since, false);
    });
    assert.deepEqual(failed, { inputTokens: 0, outputTokens: 0 });
  });

  test('is not charged more tokens than it could have had', () => {
    const { outputTokens } = charged((exchange) => exchange.onServiceStart(earlier()));
    assert.equal(outputTokens, 512);
    const capped = charged((exchange) => {
      exchange.maxOutputTokens = 64;
      exchange.onServiceStart(earlier());
    });
    assert.equal(capped.outputTokens, 64);
  });

  test('is charged for the pieces that came, however long they took', () => {
    const { outputTokens } = charged((exchange) => {
      exchange.onServiceStart(earlier());
      exchange.onChunk(3);
    });
    assert.equal(outputTokens, 3);
  });

  test('is charged for pieces after those that the upstream counted', () => {
    const total = charged((exchange) => {
      exchange.onChunk(9);
      exchange.addUsage(usage);
      exchange.onChunk(2);
    });
    assert.deepEqual(total, { inputTokens: 27, outputTokens: 11 });
  });
});

describe('OutputRate', () => {
  const answer = (outputTokens: number, seconds?: number): TotalUsage => ({
    usage: { inputTokens: 1, outputTokens },
    timings: seconds === undefined ? {} : { eval: seconds },
  });

  test('is assumed until an answer shows it, and then follows slowly', () => {
    const rate = new OutputRate();
    rate.observe(answer(100));
    rate.observe(answer(0, 1));
    assert.equal(rate.tokensPerSecond, 200);
    rate.observe(answer(100, 2));
    assert.equal(rate.tokensPerSecond, 50);
    rate.observe(answer(60, 1));
    assert.equal(rate.tokensPerSecond, 51);
  });

  test('stays within bounds, whatever a server counts', () => {
    for (const [tokens, seconds] of [
      [1e300, 1e-9],
      [1, 0],
      [1, 1e300],
      [NaN, 1],
      [-5, 1],
    ] as const) {
      const rate = new OutputRate();
      rate.observe(answer(tokens, seconds));
      assert.ok(rate.tokensPerSecond >= 1 && rate.tokensPerSecond <= 10_000, `${tokens} in ${seconds} s`);
    }
  });
});
