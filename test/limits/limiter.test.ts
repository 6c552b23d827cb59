import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { GatewayError } from '../../src/errors.ts';
import { countInMemory } from '../../src/limits/counts.ts';
import type { LimitSubject, LimitSet } from '../../src/limits/subject.ts';
import { Limiter, type LimiterOptions } from '../../src/limits/limiter.ts';
import { windowsOf } from '../../src/limits/window.ts';

const noon = Date.UTC(2026, 10, 21, 12, 0, 10);

function limiterAt(start: number, options: Partial<LimiterOptions> = {}) {
  const clock = { now: start };
  return { clock, limiter: new Limiter({ whenDown: 'open', now: () => clock.now, ...options }) };
}

function key(limits: LimitSet, name = 'alice'): LimitSubject {
  return { id: `key:${name}`, label: name, limits };
}

async function refused(taking: Promise<unknown>): Promise<GatewayError> {
  try {
    await taking;
  } catch (error) {
    assert.ok(error instanceof GatewayError);
    assert.doesNotMatch(error.message, /quota|billing/i);
    return error;
  }
  throw new assert.AssertionError({ message: 'it was let in' });
}

suite('limits', () => {
  test('let in whom nothing limits', async () => {
    const { limiter } = limiterAt(noon);
    const taken = await limiter.reserve([], 1e9);
    assert.deepEqual(taken.headers, {});
    taken.settle(5);
    limiter.enterConcurrent([])();
  });

  test('of requests hold for a minute of the clock, and tell what is left', async () => {
    const told: string[] = [];
    const { limiter, clock } = limiterAt(noon, { onRefused: (holder, limit) => told.push(`${holder.id} ${limit}`) });
    const holders = [key({ requestsPerMinute: 2 })];
    assert.deepEqual((await limiter.reserve(holders, 1)).headers, {
      'x-ratelimit-limit-requests': '2',
      'x-ratelimit-remaining-requests': '1',
      'x-ratelimit-reset-requests': '50s',
    });
    await limiter.reserve(holders, 1);
    const error = await refused(limiter.reserve(holders, 1));
    assert.equal(error.code, 'rate_limit_exceeded');
    assert.equal(error.retryAfter, 50);
    assert.equal(error.message, 'The limit of this key is reached: 2 requests a minute. Try again in 50 s.');
    assert.equal(error.headers['x-ratelimit-remaining-requests'], '0');
    assert.deepEqual(told, ['key:alice requestsPerMinute']);
    clock.now += 50_000;
    await limiter.reserve(holders, 1);
  });

  test('that are refused leave no trace with anybody', async () => {
    const { limiter } = limiterAt(noon);
    const mine = key({ requestsPerMinute: 3, tokensPerMinute: 1000 });
    const ours: LimitSubject = { id: 'group:lab', label: 'group:lab', limits: { tokensPerMinute: 100 } };
    await limiter.reserve([ours], 60);
    for (let attempt = 0; attempt < 5; attempt++) {
      const error = await refused(limiter.reserve([mine, ours], 50));
      assert.match(
        error.message,
        /group lab is reached: 100 tokens a minute; 60 are used, this request needs about 50/,
      );
    }
    const { headers } = await limiter.reserve([mine, ours], 40);
    assert.equal(headers['x-ratelimit-remaining-requests'], '2');
    assert.equal(headers['x-ratelimit-remaining-tokens'], '0');
    assert.equal(headers['x-ratelimit-limit-tokens'], '100');
  });

  test('let in exactly as many as they say of those that come at once', async () => {
    const { limiter } = limiterAt(noon);
    const all = Array.from({ length: 50 }, () => limiter.reserve([key({ requestsPerMinute: 10 })], 1));
    const outcomes = await Promise.allSettled(all);
    assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 10);
  });

  test('put the real tokens in place of the estimate, once', async () => {
    const { limiter } = limiterAt(noon);
    const holders = [key({ tokensPerMinute: 100 })];
    const first = await limiter.reserve(holders, 90);
    await refused(limiter.reserve(holders, 20));
    first.settle(30);
    first.settle(0);
    const second = await limiter.reserve(holders, 20);
    assert.equal(second.headers['x-ratelimit-remaining-tokens'], '50');
  });

  test('refuse until the next minute when an answer took more than was left', async () => {
    const { limiter, clock } = limiterAt(noon);
    const holders = [key({ tokensPerMinute: 100 })];
    (await limiter.reserve(holders, 10)).settle(500);
    assert.equal((await refused(limiter.reserve(holders, 1))).retryAfter, 50);
    clock.now += 50_000;
    await limiter.reserve(holders, 1);
  });

  test('take what an answer took too much from the minute it ended in, and give nothing back there', async () => {
    const { limiter, clock } = limiterAt(noon);
    const holders = [key({ tokensPerMinute: 100 })];
    const [long, short] = [await limiter.reserve(holders, 10), await limiter.reserve(holders, 80)];
    clock.now += 60_000;
    short.settle(1);
    assert.equal((await limiter.reserve(holders, 1)).headers['x-ratelimit-remaining-tokens'], '99');
    long.settle(60);
    assert.equal((await limiter.reserve(holders, 9)).headers['x-ratelimit-remaining-tokens'], '40');
  });

  test('refuse for good what is larger than a whole minute', async () => {
    const { limiter } = limiterAt(noon);
    const holders = [key({ tokensPerMinute: 100 })];
    const error = await refused(limiter.reserve(holders, 101));
    assert.equal(error.code, 'rate_limit_exceeded');
    assert.equal(error.retryable, false);
    assert.match(error.message, /about 101 tokens and can never pass: this key may use 100 tokens a minute/);
    await limiter.reserve(holders, 100);
  });

  test('of requests at a time count what runs, and what is refused leaves no trace', async () => {
    const { limiter } = limiterAt(noon);
    const lab = { id: 'group:lab', label: 'group:lab', limits: { concurrent: 3 } };
    const enter = async (name: string): Promise<() => void> =>
      limiter.enterConcurrent([key({ concurrent: 2 }, name), lab]);
    const [leave] = [await enter('alice'), await enter('alice')];
    const error = await refused(enter('alice'));
    assert.equal(error.code, 'rate_limit_exceeded');
    assert.match(error.message, /2 requests at a time/);
    leave();
    leave();
    await enter('alice');
    await refused(enter('alice'));
    const last = await enter('bob');
    assert.match((await refused(enter('bob'))).message, /group lab is reached: 3 requests at a time/);
    last();
    await enter('bob');
  });

  test('follow the configuration at once', async () => {
    const { limiter } = limiterAt(noon);
    await limiter.reserve([key({ requestsPerMinute: 1 })], 1);
    await refused(limiter.reserve([key({ requestsPerMinute: 1 })], 1));
    await limiter.reserve([key({ requestsPerMinute: 2 })], 1);
    await refused(limiter.reserve([key({ requestsPerMinute: 1 })], 1));
  });
});

suite('tokens of a day and a month', () => {
  test('are refused until midnight, or the first of the month, of UTC', async () => {
    const { limiter, clock } = limiterAt(Date.UTC(2026, 11, 31, 23, 0, 0));
    const daily = [key({ tokensPerDay: 100 })];
    const monthly = [key({ tokensPerDay: 1000, tokensPerMonth: 100 }, 'bob')];
    for (const holders of [daily, monthly]) {
      await limiter.reserve(holders, 100);
      const error = await refused(limiter.reserve(holders, 1));
      assert.equal(error.code, 'insufficient_quota');
      assert.equal(error.retryAfter, 3600);
      assert.match(error.message, /Try again after 2027-01-01T00:00Z/);
      assert.deepEqual(error.headers, {});
    }
    clock.now += 3_600_000;
    for (const holders of [daily, monthly]) await limiter.reserve(holders, 100);
  });

  test('of a month outlast the timers of 24 days', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout', 'Date'], now: Date.UTC(2026, 9, 1) });
    const limiter = new Limiter({ whenDown: 'open' });
    const holders = [key({ tokensPerMonth: 100 })];
    await limiter.reserve(holders, 100);
    t.mock.timers.tick(30 * 86_400_000);
    assert.equal((await refused(limiter.reserve(holders, 1))).code, 'insufficient_quota');
  });

  test('continue after a restart from what the ledger knows, in which what runs counts once', async () => {
    let ledger = 0;
    const asked: [string, number][] = [];
    const spent = (holder: string, since: number): number => {
      asked.push([holder, since]);
      return ledger;
    };
    const holders = [key({ tokensPerDay: 100 })];
    const { limiter } = limiterAt(noon, { spent });
    const [first, second] = [await limiter.reserve(holders, 50), await limiter.reserve(holders, 30)];
    first.settle(40);
    ledger += 40;
    await refused(limiter.reserve(holders, 31));
    second.settle(30);
    ledger += 30;
    assert.deepEqual(asked, [['key:alice', Date.UTC(2026, 10, 21)]]);

    const again = limiterAt(noon + 60_000, { spent }).limiter;
    const outcomes = await Promise.allSettled([again.reserve(holders, 20), again.reserve(holders, 20)]);
    assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 1);
    assert.match((await refused(again.reserve(holders, 11))).message, /90 are used/);
    await again.reserve(holders, 10);
  });

  test('that were forgotten start from what the ledger knows, whatever is added', async () => {
    for (const [points, used] of [
      [10, 60],
      [-40, 50],
    ] as const) {
      const counts = countInMemory(() => 50, 1);
      const windows = ['alice', 'bob', 'carol'].flatMap((name) =>
        windowsOf([key({ tokensPerDay: 100 }, name)], 1, noon),
      );
      for (const window of windows) await counts.add(window, 50, noon);
      const alice = windows.slice(0, 1);
      for (const window of alice) {
        await counts.add(window, points, noon);
        assert.deepEqual(await counts.reserve([{ ...window, points: 0 }], noon), [used]);
      }
    }
  });

  test('that cannot be restored are decided as when the store is down', async () => {
    const spent = (): number => {
      throw new Error('disk I/O error');
    };
    const closed = limiterAt(noon, { spent, whenDown: 'closed' }).limiter;
    const error = await refused(closed.reserve([key({ tokensPerDay: 100 })], 1));
    assert.equal(error.code, 'store_unavailable');
    const open = limiterAt(noon, { spent }).limiter;
    await open.reserve([key({ tokensPerDay: 100 })], 1);
  });
});

test('never grant more than a minute holds, whatever is taken and settled when', async () => {
  const step = fc.record({
    who: fc.nat(1),
    tokens: fc.integer({ min: 1, max: 60 }),
    /** What it really takes, in percent of the estimate. */
    real: fc.integer({ min: 0, max: 100 }),
    settles: fc.nat(20),
    pause: fc.constantFrom(0, 0, 0, 7_000, 61_000),
    together: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const { limiter, clock } = limiterAt(noon);
      const group: LimitSubject = { id: 'group:lab', label: 'group:lab', limits: { tokensPerMinute: 150 } };
      const limits = { tokensPerMinute: 100, requestsPerMinute: 5 };
      // Independent of the limiter: tokens held or really used, and requests, by holder and minute.
      const sums = new Map<string, number>();
      const count = (id: string, change: number, most: number): void => {
        sums.set(id, (sums.get(id) ?? 0) + change);
        assert.ok((sums.get(id) ?? 0) <= most, `${id}: ${sums.get(id)}`);
      };
      const open: { settle(): void; at: number }[] = [];
      let pending: Promise<void>[] = [];
      for (const [index, { who, tokens, real, settles, pause, together }] of steps.entries()) {
        const minute = Math.floor(clock.now / 60_000);
        const change = (tokensNow: number, requests: number): void => {
          count(`${who} tokens ${minute}`, tokensNow, 100);
          count(`${who} requests ${minute}`, requests, 5);
          count(`lab tokens ${minute}`, tokensNow, 150);
        };
        const taking = limiter.reserve([key(limits, String(who)), group], tokens).then(
          (taken) => {
            change(tokens, 1);
            const used = Math.ceil((tokens * real) / 100);
            const settle = (): void => {
              // Before the limiter hears of it: what it gives back may be taken from then on.
              if (minute === Math.floor(clock.now / 60_000)) change(used - tokens, 0);
              taken.settle(used);
            };
            open.push({ settle, at: index + settles });
          },
          () => undefined,
        );
        pending.push(taking);
        if (together) continue;
        await Promise.all(pending);
        pending = [];
        clock.now += pause;
        for (const each of open.filter(({ at }) => at <= index)) {
          open.splice(open.indexOf(each), 1);
          each.settle();
        }
      }
      await Promise.all(pending);
    }),
    { numRuns: 200 },
  );
});
