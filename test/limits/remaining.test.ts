import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { Redis } from 'iovalkey';
import { type TestGateway, testGateway } from '../helpers/gateway.ts';
import { saying } from '../helpers/openai-answers.ts';
import { fakeUpstream, openaiUpstream } from '../helpers/upstream.ts';
import { noValkey, startValkey } from '../helpers/valkey.ts';
import { until } from '../helpers/wait.ts';
import { clock, counting, endpoints, keyOf, noon, posted, tester } from './limited.ts';

const model = 'scripted-plain:latest';
const chat = { model, messages: [{ role: 'user', content: 'hi' }], max_tokens: 50 };
const day = Date.UTC(2026, 10, 22) / 1000;
const month = Date.UTC(2026, 11, 1) / 1000;
const usage = { file: ':memory:' };

/** The x-ratelimit-* headers of a response, without their common prefix. */
function rateLimits({ headers }: Response): Record<string, string> {
  const prefix = 'x-ratelimit-';
  const ours = [...headers].filter(([name]) => name.startsWith(prefix));
  return Object.fromEntries(ours.map(([name, value]) => [name.slice(prefix.length), value]));
}

async function limitsOf(gateway: TestGateway, key: string): Promise<Record<string, unknown>[]> {
  const response = await gateway.fetch('/v1/usage', { headers: { authorization: `Bearer ${key}` } });
  assert.equal(response.status, 200);
  return ((await response.json()) as { limits: Record<string, unknown>[] }).limits;
}

suite('what is left of a budget', () => {
  for (const kind of ['ollama', 'openai'] as const) {
    test(`is in the headers of every API, streamed or not: ${kind}`, async (t) => {
      clock(t);
      await using upstream =
        kind === 'ollama' ? await fakeUpstream(counting(3, 4)) : await openaiUpstream(saying('hi'), [model]);
      const limits = { tokens_per_day: 1_000_000, tokens_per_month: 20_000_000 };
      await using gateway = await testGateway(upstream, {
        upstream: { kind },
        usage,
        keys: [tester, keyOf('alice', { limits })],
      });
      for (const { path, body, streams } of endpoints) {
        for (const stream of streams ? [false, true] : [false]) {
          const response = await gateway.fetch(path, posted({ ...body, ...(streams && { stream }) }, 'alice'));
          await response.text();
          const {
            'remaining-tokens-day': left,
            'remaining-tokens-month': leftOfMonth,
            ...others
          } = rateLimits(response);
          const expected = {
            'limit-tokens-day': '1000000',
            'reset-tokens-day': '11h59m50s',
            'limit-tokens-month': '20000000',
            'reset-tokens-month': '227h59m50s',
          };
          assert.deepEqual(others, expected, path);
          assert.ok(Number(left) > 900_000 && Number(left) < 1_000_000, `${path}: ${left}`);
          assert.equal(Number(leftOfMonth) - Number(left), 19_000_000, path);
        }
      }
    });
  }

  test('is in the headers that web pages may read', async () => {
    await using upstream = await fakeUpstream(counting(3, 4));
    await using gateway = await testGateway(upstream, { cors: ['https://chat.example.org'] });
    const response = await gateway.fetch('/v1/models', { headers: { origin: 'https://chat.example.org' } });
    await response.text();
    assert.match(response.headers.get('access-control-expose-headers') ?? '', /x-ratelimit-remaining-tokens-month/);
  });

  test('is that of the group when the group has less left', async (t) => {
    clock(t);
    await using upstream = await fakeUpstream(counting(30, 20));
    await using gateway = await testGateway(upstream, {
      usage,
      groups: {
        lab: { limits: { tokens_per_day: 5_000 }, shared: { tokens_per_day: 6_000, tokens_per_month: 9_000 } },
      },
      keys: [tester, ...['alice', 'bob', 'carol'].map((name) => keyOf(name, { group: 'lab' }))],
    });
    for (const key of ['alice', 'bob']) {
      for (let request = 0; request < 15; request += 1) {
        await (await gateway.fetch('/v1/chat/completions', posted(chat, key))).text();
      }
    }
    const response = await gateway.fetch('/v1/chat/completions', posted(chat, 'carol'));
    await response.text();
    const { 'limit-tokens-day': limit, 'remaining-tokens-day': left } = rateLimits(response);
    assert.deepEqual([limit, Number(left) < 4_500], ['6000', true], left);
    const common = { object: 'limit' };
    const own = { ...common, scope: 'key', name: 'carol', limit: 'tokens_per_day', max: 5_000, resets_at: day };
    const shared = { ...common, scope: 'group', name: 'lab' };
    await until('the actual tokens', async () => (await limitsOf(gateway, 'carol'))[0]?.['used'] === 50);
    assert.deepEqual(await limitsOf(gateway, 'carol'), [
      { ...own, used: 50, remaining: 4_950 },
      { ...shared, limit: 'tokens_per_day', max: 6_000, used: 1_550, remaining: 4_450, resets_at: day },
      { ...shared, limit: 'tokens_per_month', max: 9_000, used: 1_550, remaining: 7_450, resets_at: month },
    ]);
  });

  test('is in the headers of the refusal when a budget is used up', async (t) => {
    clock(t);
    await using upstream = await fakeUpstream(counting(300, 300));
    const alice = keyOf('alice', { limits: { tokens_per_day: 600 } });
    await using gateway = await testGateway(upstream, { usage, keys: [tester, alice] });
    await (await gateway.fetch('/v1/chat/completions', posted(chat, 'alice'))).text();
    const refused = await gateway.fetch('/v1/chat/completions', posted(chat, 'alice'));
    await refused.text();
    assert.equal(refused.status, 429);
    assert.deepEqual(rateLimits(refused), {
      'limit-tokens-day': '600',
      'remaining-tokens-day': '0',
      'reset-tokens-day': '11h59m50s',
    });
  });

  test('is in GET /v1/usage before the first request of a day, from the ledger', async (t) => {
    clock(t);
    await using upstream = await fakeUpstream(counting(30, 20));
    const limits = { requests_per_minute: 7, tokens_per_day: 600 };
    await using gateway = await testGateway(upstream, { usage, keys: [tester, keyOf('alice', { limits })] });
    const line = { object: 'limit', scope: 'key', name: 'alice' };
    const minute = Math.floor(noon / 60_000) * 60 + 60;
    assert.deepEqual(await limitsOf(gateway, 'alice'), [
      { ...line, limit: 'requests_per_minute', max: 7, used: 0, remaining: 7, resets_at: minute },
      { ...line, limit: 'tokens_per_day', max: 600, used: 0, remaining: 600, resets_at: day },
    ]);
    assert.deepEqual(await limitsOf(gateway, 'ld-a-secret-for-tests'), []);
  });
});

suite('what is left of a budget in Valkey', { skip: noValkey }, () => {
  test('is read by every instance, and unknown while Valkey is down', async (t) => {
    clock(t);
    await using valkey = await startValkey();
    await using upstream = await fakeUpstream(counting(30, 20));
    const alice = keyOf('alice', { limits: { tokens_per_day: 600 } });
    const settings = { keys: [tester, alice], valkey: { url: valkey.url } };
    await using here = await testGateway(upstream, settings);
    await using there = await testGateway(upstream, settings);
    await (await here.fetch('/v1/chat/completions', posted(chat, 'alice'))).text();
    const client = new Redis(valkey.url);
    t.after(() => client.disconnect());
    const count = `llamaduct:limit:tokensPerDay:key:alice:${Date.UTC(2026, 10, 21)}`;
    await until('the actual tokens to be counted', async () => (await client.get(count)) === '50');
    const line = { object: 'limit', scope: 'key', name: 'alice', limit: 'tokens_per_day', max: 600, resets_at: day };
    assert.deepEqual(await limitsOf(there, 'alice'), [{ ...line, used: 50, remaining: 550 }]);
    await valkey.kill();
    assert.deepEqual(await limitsOf(there, 'alice'), [{ ...line, used: null, remaining: null }]);
  });
});
