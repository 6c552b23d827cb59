import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { suite, test } from 'node:test';
import type { GatewayError } from '../../src/errors.ts';
import { Limiter, type LimiterOptions } from '../../src/limits/limiter.ts';
import { StoreStatus } from '../../src/store/status.ts';
import { connectValkey } from '../../src/store/valkey.ts';
import { noValkey, startValkey } from '../helpers/valkey.ts';
import { until } from '../helpers/wait.ts';

const now = Date.UTC(2026, 10, 21, 12, 0, 10);
const reserver = new URL('reserver.ts', import.meta.url).pathname;

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

suite('limits shared by processes', { skip: noValkey }, () => {
  test('are one limit for all of them', async () => {
    await using server = await startValkey();
    const processes = [1, 2].map(() => {
      const child = spawn(process.execPath, [reserver, server.url, String(now), '50'], {
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

  test("include another process's estimated and actual tokens, but not those of refused requests", async () => {
    await using server = await startValkey();
    using here = await joining(server.url);
    using there = await joining(server.url);
    const subjects = [
      { id: 'key:alice', label: 'alice', limits: { requestsPerMinute: 3, tokensPerMinute: 100, tokensPerMonth: 1000 } },
    ];
    const reservation = await here.limiter.reserve(subjects, 90);
    await assert.rejects(there.limiter.reserve(subjects, 20), code('rate_limit_exceeded'));
    reservation.settle(40);
    const key = `llamaduct:limit:tokensPerMinute:key:alice:${now - 10_000}`;
    await until('the actual tokens', async () => (await there.valkey.get(key)) === '40');
    const { headers } = await there.limiter.reserve(subjects, 60);
    assert.deepEqual(headers, {
      'x-ratelimit-limit-requests': '3',
      'x-ratelimit-remaining-requests': '1',
      'x-ratelimit-reset-requests': '50s',
      'x-ratelimit-limit-tokens': '100',
      'x-ratelimit-remaining-tokens': '0',
      'x-ratelimit-reset-tokens': '50s',
      'x-ratelimit-limit-tokens-month': '1000',
      'x-ratelimit-remaining-tokens-month': '900',
      'x-ratelimit-reset-tokens-month': '227h59m50s',
    });
  });

  test('write nothing for a refused request, so that it takes nothing from others', async () => {
    await using server = await startValkey();
    using here = await joining(server.url);
    const subjects = [{ id: 'group:lab', label: 'group:lab', limits: { tokensPerMinute: 100 } }];
    await here.limiter.reserve(subjects, 60);
    const written = async (): Promise<unknown> => /cmdstat_incrby:calls=\d+/.exec(await here.valkey.info('all'))?.[0];
    const before = await written();
    assert.equal(before, 'cmdstat_incrby:calls=1');
    for (let attempt = 0; attempt < 3; attempt++) {
      await assert.rejects(here.limiter.reserve(subjects, 50), code('rate_limit_exceeded'));
    }
    assert.equal(await written(), before);
  });

  test('expire soon after the end of their window', async () => {
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

  test("start with the ledger's sum exactly once when the server has no count of the day", async () => {
    await using server = await startValkey();
    using here = await joining(server.url, { spent: () => 70 });
    using there = await joining(server.url, { spent: () => 70 });
    const subjects = [{ id: 'key:alice', label: 'alice', limits: { tokensPerDay: 100 } }];
    // Both find that there is no count, and the other one reserves before this one sets the initial count.
    const run = there.valkey.eval.bind(there.valkey) as (...args: unknown[]) => Promise<unknown>;
    let overtaken = 0;
    there.valkey.eval = async (...args: unknown[]) => {
      if (args.at(-1) === 70) {
        overtaken += 1;
        await here.limiter.reserve(subjects, 20);
      }
      return await run(...args);
    };
    await there.limiter.reserve(subjects, 10);
    assert.equal(overtaken, 1);
    await assert.rejects(here.limiter.reserve(subjects, 1), code('insufficient_quota'));
  });

  test('give back nothing after the server was emptied', async () => {
    await using server = await startValkey();
    using here = await joining(server.url);
    const subjects = [{ id: 'key:alice', label: 'alice', limits: { tokensPerDay: 100 } }];
    const reservation = await here.limiter.reserve(subjects, 100);
    await here.valkey.flushall();
    reservation.settle(10);
    const key = `llamaduct:limit:tokensPerDay:key:alice:${Date.UTC(2026, 10, 21)}`;
    await until('the count to be whole', async () => (await here.valkey.get(key)) === '0');
    await here.limiter.reserve(subjects, 100);
    await assert.rejects(here.limiter.reserve(subjects, 1), code('insufficient_quota'));
  });

  for (const [what, real, count] of [
    ['takes more than', 35, '75'],
    ['takes less than', 10, '70'],
  ] as const) {
    test(`start with the ledger's sum after the server was emptied, when a request ${what} its estimate`, async () => {
      await using server = await startValkey();
      using here = await joining(server.url, { spent: () => 70 });
      const subjects = [{ id: 'key:alice', label: 'alice', limits: { tokensPerDay: 100 } }];
      const reservation = await here.limiter.reserve(subjects, 30);
      await here.valkey.flushall();
      reservation.settle(real);
      const key = `llamaduct:limit:tokensPerDay:key:alice:${Date.UTC(2026, 10, 21)}`;
      await until('a count', async () => (await here.valkey.get(key)) === count);
      await assert.rejects(here.limiter.reserve(subjects, 101 - Number(count)), code('insufficient_quota'));
      assert.ok((await here.valkey.ttl(key)) > 43_000);
    });
  }

  for (const whenDown of ['open', 'closed'] as const) {
    test(`are ${whenDown} when the server is down`, async () => {
      await using server = await startValkey();
      const events: unknown[] = [];
      const status = new StoreStatus({
        onChange: (up) => events.push({ up }),
        onOutage: () => undefined,
        onRecovery: () => undefined,
      });
      using here = await joining(server.url, {
        whenDown,
        onCounted: (failure) => (failure === undefined ? status.succeeded() : status.failed(failure)),
        onUnchecked: (letIn) => events.push({ letIn }),
      });
      const subjects = [{ id: 'key:alice', label: 'alice', limits: { requestsPerMinute: 2, tokensPerDay: 100 } }];
      const before = await here.limiter.reserve(subjects, 10);
      await server.kill();
      before.settle(20);
      for (let attempt = 0; attempt < 3; attempt++) {
        const began = performance.now();
        const reserving = here.limiter.reserve(subjects, 10);
        if (whenDown === 'open') {
          const reservation = await reserving;
          assert.deepEqual(reservation.headers, {});
          reservation.settle(5);
        } else {
          await assert.rejects(reserving, (error: GatewayError) => {
            assert.equal(error.retryAfter, 5);
            return code('store_unavailable')(error);
          });
        }
        assert.ok(performance.now() - began < 2_500);
      }
      const letIn = whenDown === 'open';
      assert.deepEqual(events, [{ up: true }, { up: false }, { letIn }, { letIn }, { letIn }]);
    });
  }

  test('report each attempt to count, and count admitted requests at their end', async () => {
    await using first = await startValkey();
    const changes: boolean[] = [];
    using here = await joining(first.url, {
      whenDown: 'open',
      onCounted: (failure) => changes.push(failure === undefined),
    });
    const subjects = [{ id: 'key:alice', label: 'alice', limits: { tokensPerDay: 100 } }];
    here.valkey.disconnect();
    await until('the end of the connection', () => here.valkey.status === 'end');
    const reservation = await here.limiter.reserve(subjects, 1);
    await here.valkey.connect();
    reservation.settle(60);
    await assert.rejects(here.limiter.reserve(subjects, 41), code('insufficient_quota'));
    await here.limiter.reserve(subjects, 40);
    assert.deepEqual(changes, [false, true, true]);
  });
});
