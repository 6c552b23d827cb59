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

describe('keys that share an Ollama with parallel: 1', () => {
  test('are scheduled in turn, whichever API they use', async () => {
    await using gateway = await testGateway(
      { url: ollama },
      { keys: [admin, keyOf('many'), keyOf('one')], upstream: { parallel: 1 } },
    );
    const order: string[] = [];
    const send = async (name: string, path: string, body: object): Promise<void> => {
      const response = await chat(gateway, name, path, { model: 'scripted-slow', messages: [user('hi')], ...body });
      assert.equal(response.status, 200);
      await response.text();
      order.push(name);
    };
    const many = Array.from({ length: 8 }, async () => {
      await send('many', '/v1/chat/completions', { stream: true, max_tokens: 10 });
    });
    // The first has begun, and seven are queued.
    const queued = async (): Promise<number> => await gateway.metric('llamaduct_queue_depth{upstream="ollama"}');
    await until('seven queued requests', async () => (await queued()) === 7);
    const one = send('one', '/api/chat', { options: { num_predict: 10 } });
    await Promise.all([...many, one]);
    assert.ok(order.indexOf('one') <= 2, order.join(' '));
    const inFlight = async (): Promise<number> =>
      await gateway.metric('llamaduct_upstream_in_flight{upstream="ollama"}');
    await until('Ollama to be idle', async () => (await inFlight()) === 0);
  });
});

describe('the usage of a key', () => {
  test('has the token counts of Ollama, in limits and in /v1/usage', async () => {
    const limits = { tokens_per_minute: 100_000 };
    await using gateway = await testGateway({ url: ollama }, { keys: [admin, { ...keyOf('alice'), limits }] });
    const request = { model: 'scripted-plain', messages: [user('hi')] };
    const { prompt_eval_count: input, eval_count: output } = await native('/api/chat', request);
    // The counts of one clock minute, unless a new one begins meanwhile.
    const remaining: number[] = [];
    for (const [path, body] of [
      ['/v1/chat/completions', {}],
      ['/v1/chat/completions', { stream: true }],
      ['/api/chat', { stream: false }],
      ['/v1/messages', { max_tokens: 400 }],
    ] as const) {
      const response = await chat(gateway, 'alice', path, { ...request, ...body });
      assert.equal(response.status, 200);
      await response.text();
      remaining.push(Number(response.headers.get('x-ratelimit-remaining-tokens')));
    }
    const [first = 0, second = 0] = remaining;
    // The first header counts an estimate, the second the first's real count and another estimate.
    const newMinute = second > first;
    assert.ok(newMinute || first - second === input + output, `${first} - ${second} is not ${input} + ${output}`);

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
