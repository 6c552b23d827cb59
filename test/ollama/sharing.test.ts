import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { hashSecret } from '../../src/config/secret.ts';
import { type TestGateway, secret, testGateway } from '../helpers/gateway.ts';
import { until } from '../helpers/wait.ts';
import { native, ollama, user } from './live.ts';

interface UsageLine {
  readonly name: string;
  readonly requests: number;
  readonly input_tokens: number;
  readonly output_tokens: number;
}

const admin = { name: 'tester', hash: hashSecret(secret), scopes: ['inference', 'admin', 'metrics'] };
const secretOf = (name: string): string => `${name}-with-a-secret-of-its-own`;
const keyOf = (name: string): object => ({ name, hash: hashSecret(secretOf(name)) });

async function chat(gateway: TestGateway, name: string, path: string, body: object): Promise<Response> {
  const headers = { authorization: `Bearer ${secretOf(name)}` };
  return await gateway.fetch(path, { method: 'POST', headers, body: JSON.stringify(body) });
}

describe('keys that share an Ollama which takes one request at a time', () => {
  test('take turns, whichever API they speak', async () => {
    await using gateway = await testGateway(
      { url: ollama },
      { keys: [admin, keyOf('many'), keyOf('one')], upstream: { parallel: 1 } },
    );
    const order: string[] = [];
    const said = async (name: string, path: string, body: object): Promise<void> => {
      const response = await chat(gateway, name, path, { model: 'scripted-slow', messages: [user('hi')], ...body });
      assert.equal(response.status, 200);
      await response.text();
      order.push(name);
    };
    const many = Array.from({ length: 8 }, async () => {
      await said('many', '/v1/chat/completions', { stream: true, max_tokens: 10 });
    });
    // Seven of them wait once the first has begun.
    const waiting = async (): Promise<number> => await gateway.metric('llamaduct_queue_depth{upstream="ollama"}');
    await until('seven to wait', async () => (await waiting()) === 7);
    const one = said('one', '/api/chat', { options: { num_predict: 10 } });
    await Promise.all([...many, one]);
    assert.ok(order.indexOf('one') <= 2, order.join(' '));
    const inFlight = async (): Promise<number> =>
      await gateway.metric('llamaduct_upstream_in_flight{upstream="ollama"}');
    await until('Ollama to be done', async () => (await inFlight()) === 0);
  });
});

describe('what a key used', () => {
  test('is what Ollama counted, in the limits and in the usage', async () => {
    const limits = { tokens_per_minute: 100_000 };
    await using gateway = await testGateway({ url: ollama }, { keys: [admin, { ...keyOf('alice'), limits }] });
    const asked = { model: 'scripted-plain', messages: [user('hi')] };
    const { prompt_eval_count: input, eval_count: output } = await native('/api/chat', asked);
    // Counted in one minute of the clock, unless it turns meanwhile.
    const remaining: number[] = [];
    for (const [path, body] of [
      ['/v1/chat/completions', {}],
      ['/v1/chat/completions', { stream: true }],
      ['/api/chat', { stream: false }],
      ['/v1/messages', { max_tokens: 400 }],
    ] as const) {
      const response = await chat(gateway, 'alice', path, { ...asked, ...body });
      assert.equal(response.status, 200);
      await response.text();
      remaining.push(Number(response.headers.get('x-ratelimit-remaining-tokens')));
    }
    const [first = 0, second = 0] = remaining;
    // The first had an estimate taken, the second the first's real count and its own estimate.
    const turned = second > first;
    assert.ok(turned || first - second === input + output, `${first} - ${second} is not ${input} + ${output}`);

    const { data } = (await (await gateway.fetch('/v1/usage?all=true')).json()) as { data: UsageLine[] };
    assert.deepEqual(
      data.map(({ name, requests, input_tokens: tokensIn, output_tokens: tokensOut }) => [
        name,
        requests,
        tokensIn,
        tokensOut,
      ]),
      [['alice', 4, 4 * input, 4 * output]],
    );
  });
});
