import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { suite, test } from 'node:test';
import type { GatewayError } from '../../src/errors.ts';
import { Limiter, type LimiterOptions } from '../../src/limits/limiter.ts';
import { connectValkey } from '../../src/store/valkey.ts';
import { noValkey, startValkey } from '../helpers/valkey.ts';
import { until } from '../helpers/wait.ts';

const now = Date.UTC(2026, 10, 21, 12, 0, 10);
const taker = new URL('taker.ts', import.meta.url).pathname;

/** A limiter with a connection of its own, as in another process. */
async function joining(url: string, options: Partial<LimiterOptions> = {}) {
  const valkey = await connectValkey(url);
  const limiter = new Limiter({ valkey, whenDown: 'closed', now: () => now, ...options });
  return { limiter, valkey, [Symbol.dispose]: () => valkey.disconnect() };
}

function code(expected: string): (error: GatewayError) => boolean {
  return (error) => {
    assert.equal(error.code, expected);
    return true;
  };
}

suite('limits that processes share', { skip: noValkey }, () => {
  test('are one limit for all of them', async () => {
    await using server = await startValkey();
    const processes = [1, 2].map(() => {
      const child = spawn(process.execPath, [taker, server.url, String(now), '50'], {
        stdio: ['pipe', 'pipe', 'inherit'],
      });
      return { child, lines: createInterface(child.stdout)[Symbol.asyncIterator]() };
    });
    for (const { lines } of processes) assert.equal((await lines.next()).value, 'ready');
    for (const { child } of processes) child.stdin.write('go\n');
    const counts = await Promise.all(processes.map(async ({ lines }) => Number((await lines.next()).value)));
    assert.equal(
      counts.reduce((sum, count) => sum + count),
      40,
    );
  });

  test('know what another process took, and what it really took, whoever refused leaves no trace', async () => {
    await using server = await startValkey();
    using here = await joining(server.url);
    using there = await joining(server.url);
    const holders = [
      { id: 'key:alice', label: 'alice', limits: { requestsPerMinute: 3, tokensPerMinute: 100, tokensPerMonth: 1000 } },
    ];
    const taken = await here.limiter.reserve(holders, 90);
    await assert.rejects(there.limiter.reserve(holders, 20), code('rate_limit_exceeded'));
    taken.settle(40);
    const key = `llamaduct:limit:tokensPerMinute:key:alice:${now - 10_000}`;
    await until('the real tokens', async () => (await there.valkey.get(key)) === '40');
    const { headers } = await there.limiter.reserve(holders, 60);
    assert.deepEqual(headers, {
      'x-ratelimit-limit-requests': '3',
      'x-ratelimit-remaining-requests': '1',
      'x-ratelimit-reset-requests': '50s',
      'x-ratelimit-limit-tokens': '100',
      'x-ratelimit-remaining-tokens': '0',
      'x-ratelimit-reset-tokens': '50s',
    });
  });

  test('take nothing from others, not even for a moment, when they refuse again and again', async () => {
    await using server = await startValkey();
    using here = await joining(server.url);
    const holders = [{ id: 'group:lab', label: 'group:lab', limits: { tokensPerMinute: 100 } }];
    await here.limiter.reserve(holders, 60);
    const written = async (): Promise<unknown> => /cmdstat_incrby:calls=\d+/.exec(await here.valkey.info('all'))?.[0];
    const before = await written();
    assert.equal(before, 'cmdstat_incrby:calls=1');
    for (let attempt = 0; attempt < 3; attempt++) {
      await assert.rejects(here.limiter.reserve(holders, 50), code('rate_limit_exceeded'));
    }
    assert.equal(await written(), before);
  });

  test('are forgotten by the server soon after their time', async () => {
    await using server = await startValkey();
    using here = await joining(server.url);
    const limits = { requestsPerMinute: 3, tokensPerDay: 100, tokensPerMonth: 1000 };
    await here.limiter.reserve([{ id: 'key:alice', label: 'alice', limits }], 1);
    const keys = (await here.valkey.keys('*')).toSorted();
    const seconds = await Promise.all(keys.map((name) => here.valkey.ttl(name)));
    const left = [50, 43_190, 9 * 86_400 + 43_190];
    assert.deepEqual(
      keys.map((name) => name.split(':')[2]),
      ['requestsPerMinute', 'tokensPerDay', 'tokensPerMonth'],
    );
    for (const [index, most] of left.entries()) {
      const ttl = seconds[index] ?? 0;
      assert.ok(ttl >= most && ttl <= most + 5, `${keys[index]}: ${ttl}`);
    }
  });

  test('start with what the ledger knows, once, when the server knows nothing of the day', async () => {
    await using server = await startValkey();
    using here = await joining(server.url, { spent: () => 70 });
    using there = await joining(server.url, { spent: () => 70 });
    const holders = [{ id: 'key:alice', label: 'alice', limits: { tokensPerDay: 100 } }];
    // Both find that there is no count, and the other one reserves before this one sets the initial count.
    const run = there.valkey.eval.bind(there.valkey) as (...args: unknown[]) => Promise<unknown>;
    let overtaken = 0;
    there.valkey.eval = async (...args: unknown[]) => {
      if (args.at(-1) === 70) {
        overtaken += 1;
        await here.limiter.reserve(holders, 20);
      }
      return await run(...args);
    };
    await there.limiter.reserve(holders, 10);
    assert.equal(overtaken, 1);
    await assert.rejects(here.limiter.reserve(holders, 1), code('insufficient_quota'));
  });

  test('give nothing back that a server which was emptied does not know of', async () => {
    await using server = await startValkey();
    using here = await joining(server.url);
    const holders = [{ id: 'key:alice', label: 'alice', limits: { tokensPerDay: 100 } }];
    const taken = await here.limiter.reserve(holders, 100);
    await here.valkey.flushall();
    taken.settle(10);
    const key = `llamaduct:limit:tokensPerDay:key:alice:${Date.UTC(2026, 10, 21)}`;
    await until('the count to be whole', async () => (await here.valkey.get(key)) === '0');
    await here.limiter.reserve(holders, 100);
    await assert.rejects(here.limiter.reserve(holders, 1), code('insufficient_quota'));
  });

  for (const [what, real, count] of [
    ['took more than', 35, '75'],
    ['took less than', 10, '70'],
  ] as const) {
    test(`start with what the ledger knows when the server was emptied and a request ${what} it asked for`, async () => {
      await using server = await startValkey();
      using here = await joining(server.url, { spent: () => 70 });
      const holders = [{ id: 'key:alice', label: 'alice', limits: { tokensPerDay: 100 } }];
      const taken = await here.limiter.reserve(holders, 30);
      await here.valkey.flushall();
      taken.settle(real);
      const key = `llamaduct:limit:tokensPerDay:key:alice:${Date.UTC(2026, 10, 21)}`;
      await until('a count', async () => (await here.valkey.get(key)) === count);
      await assert.rejects(here.limiter.reserve(holders, 101 - Number(count)), code('insufficient_quota'));
      assert.ok((await here.valkey.ttl(key)) > 43_000);
    });
  }

  for (const whenDown of ['open', 'closed'] as const) {
    test(`are ${whenDown} when the server is gone`, async () => {
      await using server = await startValkey();
      const told: unknown[] = [];
      using here = await joining(server.url, {
        whenDown,
        onStore: (up) => told.push({ up }),
        onUnchecked: (letIn) => told.push({ letIn }),
      });
      const holders = [{ id: 'key:alice', label: 'alice', limits: { requestsPerMinute: 2, tokensPerDay: 100 } }];
      const before = await here.limiter.reserve(holders, 10);
      await server.kill();
      before.settle(20);
      for (let attempt = 0; attempt < 3; attempt++) {
        const began = performance.now();
        const taking = here.limiter.reserve(holders, 10);
        if (whenDown === 'open') {
          const taken = await taking;
          assert.deepEqual(taken.headers, {});
          taken.settle(5);
        } else {
          await assert.rejects(taking, (error: GatewayError) => {
            assert.equal(error.retryAfter, 5);
            return code('store_unavailable')(error);
          });
        }
        assert.ok(performance.now() - began < 2_500);
      }
      const letIn = whenDown === 'open';
      assert.deepEqual(told, [{ up: true }, { up: false }, { letIn }, { letIn }, { letIn }]);
    });
  }

  test('are told when the server is back, and count at the end what came in without being counted', async () => {
    await using first = await startValkey();
    const told: boolean[] = [];
    using here = await joining(first.url, { whenDown: 'open', onStore: (up) => told.push(up) });
    const holders = [{ id: 'key:alice', label: 'alice', limits: { tokensPerDay: 100 } }];
    here.valkey.disconnect();
    await until('the end of the connection', () => here.valkey.status === 'end');
    const taken = await here.limiter.reserve(holders, 1);
    await here.valkey.connect();
    taken.settle(60);
    await assert.rejects(here.limiter.reserve(holders, 41), code('insufficient_quota'));
    await here.limiter.reserve(holders, 40);
    assert.deepEqual(told, [false, true]);
  });
});
