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

async function refused(reserving: Promise<unknown>): Promise<GatewayError> {
  try {
    await reserving;
  } catch (error) {
    assert.ok(error instanceof GatewayError);
    assert.doesNotMatch(error.message, /quota|billing/i);
    return error;
  }
  throw new assert.AssertionError({ message: 'the request was admitted' });
}

suite('limiter', () => {
  test('admits a request without limits', async () => {
    const { limiter } = limiterAt(noon);
    const reservation = await limiter.reserve([], 1e9);
    assert.deepEqual(reservation.headers, {});
    reservation.settle(5);
    limiter.enterConcurrent([])();
  });

  test('limits requests per minute of the clock, and reports the remaining ones in headers', async () => {
    const refusals: string[] = [];
    const onRefused = ({ id }: LimitSubject, limit: string): void => void refusals.push(`${id} ${limit}`);
    const { limiter, clock } = limiterAt(noon, { onRefused });
    const subjects = [key({ requestsPerMinute: 2 })];
    assert.deepEqual((await limiter.reserve(subjects, 1)).headers, {
      'x-ratelimit-limit-requests': '2',
      'x-ratelimit-remaining-requests': '1',
      'x-ratelimit-reset-requests': '50s',
    });
    await limiter.reserve(subjects, 1);
    const error = await refused(limiter.reserve(subjects, 1));
    assert.equal(error.code, 'rate_limit_exceeded');
    assert.equal(error.retryAfter, 50);
    assert.equal(error.message, 'The limit of this key is reached: 2 requests per minute. Try again in 50 s.');
    assert.equal(error.headers['x-ratelimit-remaining-requests'], '0');
    assert.deepEqual(refusals, ['key:alice requestsPerMinute']);
    clock.now += 50_000;
    await limiter.reserve(subjects, 1);
  });

  test('counts a refused request for none of its subjects', async () => {
    const { limiter } = limiterAt(noon);
    const mine = key({ requestsPerMinute: 3, tokensPerMinute: 1000 });
    const ours: LimitSubject = { id: 'group:lab', label: 'group:lab', limits: { tokensPerMinute: 100 } };
    await limiter.reserve([ours], 60);
    for (let attempt = 0; attempt < 5; attempt++) {
      const error = await refused(limiter.reserve([mine, ours], 50));
      assert.match(
        error.message,
        /group lab is reached: 100 tokens per minute; 60 are used, this request needs about 50/,
      );
    }
    const { headers } = await limiter.reserve([mine, ours], 40);
    assert.equal(headers['x-ratelimit-remaining-requests'], '2');
    assert.equal(headers['x-ratelimit-remaining-tokens'], '0');
    assert.equal(headers['x-ratelimit-limit-tokens'], '100');
  });

  test('admits exactly the limit of simultaneous requests', async () => {
    const { limiter } = limiterAt(noon);
    const all = Array.from({ length: 50 }, () => limiter.reserve([key({ requestsPerMinute: 10 })], 1));
    const outcomes = await Promise.allSettled(all);
    assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 10);
  });

  test('replaces the estimate by the actual tokens once', async () => {
    const { limiter } = limiterAt(noon);
    const subjects = [key({ tokensPerMinute: 100 })];
    const first = await limiter.reserve(subjects, 90);
    await refused(limiter.reserve(subjects, 20));
    first.settle(30);
    first.settle(0);
    const second = await limiter.reserve(subjects, 20);
    assert.equal(second.headers['x-ratelimit-remaining-tokens'], '50');
  });

  test('refuses until the next minute after an answer took more tokens than were left', async () => {
    const { limiter, clock } = limiterAt(noon);
    const subjects = [key({ tokensPerMinute: 100 })];
    (await limiter.reserve(subjects, 10)).settle(500);
    assert.equal((await refused(limiter.reserve(subjects, 1))).retryAfter, 50);
    clock.now += 50_000;
    await limiter.reserve(subjects, 1);
  });

  test('counts tokens beyond the estimate in the minute an answer ends, and gives back none there', async () => {
    const { limiter, clock } = limiterAt(noon);
    const subjects = [key({ tokensPerMinute: 100 })];
    const [long, short] = [await limiter.reserve(subjects, 10), await limiter.reserve(subjects, 80)];
    clock.now += 60_000;
    short.settle(1);
    assert.equal((await limiter.reserve(subjects, 1)).headers['x-ratelimit-remaining-tokens'], '99');
    long.settle(60);
    assert.equal((await limiter.reserve(subjects, 9)).headers['x-ratelimit-remaining-tokens'], '40');
  });

  test('refuses without Retry-After a request larger than the whole limit', async () => {
    const { limiter } = limiterAt(noon);
    const subjects = [key({ tokensPerMinute: 100 })];
    const error = await refused(limiter.reserve(subjects, 101));
    assert.equal(error.code, 'rate_limit_exceeded');
    assert.equal(error.retryable, false);
    assert.match(error.message, /about 101 tokens, but the limit of this key is 100 tokens per minute/);
    await limiter.reserve(subjects, 100);
  });

  test('limits concurrent requests, and counts refused ones for none of their subjects', async () => {
    const { limiter } = limiterAt(noon);
    const lab = { id: 'group:lab', label: 'group:lab', limits: { concurrent: 3 } };
    const enter = async (name: string): Promise<() => void> =>
      limiter.enterConcurrent([key({ concurrent: 2 }, name), lab]);
    const [leave] = [await enter('alice'), await enter('alice')];
    const error = await refused(enter('alice'));
    assert.equal(error.code, 'rate_limit_exceeded');
    assert.match(error.message, /2 concurrent requests/);
    leave();
    leave();
    await enter('alice');
    await refused(enter('alice'));
    const last = await enter('bob');
    assert.match((await refused(enter('bob'))).message, /group lab is reached: 3 concurrent requests/);
    last();
    await enter('bob');
  });

  test('applies changed limits to the current minute', async () => {
    const { limiter } = limiterAt(noon);
    await limiter.reserve([key({ requestsPerMinute: 1 })], 1);
    await refused(limiter.reserve([key({ requestsPerMinute: 1 })], 1));
    await limiter.reserve([key({ requestsPerMinute: 2 })], 1);
    await refused(limiter.reserve([key({ requestsPerMinute: 1 })], 1));
  });
});

suite('token limits per day and month', () => {
  test('refuse until midnight UTC, or the first of the month', async () => {
    const { limiter, clock } = limiterAt(Date.UTC(2026, 11, 31, 23, 0, 0));
    const daily = [key({ tokensPerDay: 100 })];
    const monthly = [key({ tokensPerDay: 1000, tokensPerMonth: 100 }, 'bob')];
    for (const subjects of [daily, monthly]) {
      await limiter.reserve(subjects, 100);
      const error = await refused(limiter.reserve(subjects, 1));
      assert.equal(error.code, 'insufficient_quota');
      assert.equal(error.retryAfter, 3600);
      assert.match(error.message, /Try again after 2027-01-01T00:00Z/);
      const suffix = subjects === daily ? 'day' : 'month';
      assert.equal(error.headers[`x-ratelimit-remaining-tokens-${suffix}`], '0');
      assert.equal(error.headers[`x-ratelimit-reset-tokens-${suffix}`], '1h0m0s');
    }
    clock.now += 3_600_000;
    for (const subjects of [daily, monthly]) await limiter.reserve(subjects, 100);
  });

  test('count a whole month, which is longer than the longest timer', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout', 'Date'], now: Date.UTC(2026, 9, 1) });
    const limiter = new Limiter({ whenDown: 'open' });
    const subjects = [key({ tokensPerMonth: 100 })];
    await limiter.reserve(subjects, 100);
    t.mock.timers.tick(30 * 86_400_000);
    assert.equal((await refused(limiter.reserve(subjects, 1))).code, 'insufficient_quota');
  });

  test("start with the ledger's sum after a restart, and count running requests once", async () => {
    let ledger = 0;
    const queries: [string, number][] = [];
    const spent = (subjectId: string, since: number): number => {
      queries.push([subjectId, since]);
      return ledger;
    };
    const subjects = [key({ tokensPerDay: 100 })];
    const { limiter } = limiterAt(noon, { spent });
    const [first, second] = [await limiter.reserve(subjects, 50), await limiter.reserve(subjects, 30)];
    first.settle(40);
    ledger += 40;
    await refused(limiter.reserve(subjects, 31));
    second.settle(30);
    ledger += 30;
    assert.deepEqual(queries, [['key:alice', Date.UTC(2026, 10, 21)]]);

    const restarted = limiterAt(noon + 60_000, { spent }).limiter;
    const outcomes = await Promise.allSettled([restarted.reserve(subjects, 20), restarted.reserve(subjects, 20)]);
    assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 1);
    assert.match((await refused(restarted.reserve(subjects, 11))).message, /90 are used/);
    await restarted.reserve(subjects, 10);
  });

  test("start with the ledger's sum after they were evicted, and ignore negative amounts then", async () => {
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

  test('follow whenDown when the ledger cannot be read', async () => {
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

test('limiter never grants more than a minute holds, whatever is reserved and settled when', async () => {
  const step = fc.record({
    who: fc.nat(1),
    tokens: fc.integer({ min: 1, max: 60 }),
    /** Actual tokens in percent of the estimate. */
    actual: fc.integer({ min: 0, max: 100 }),
    settles: fc.nat(20),
    pause: fc.constantFrom(0, 0, 0, 7_000, 61_000),
    together: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const { limiter, clock } = limiterAt(noon);
      const group: LimitSubject = { id: 'group:lab', label: 'group:lab', limits: { tokensPerMinute: 150 } };
      const limits = { tokensPerMinute: 100, requestsPerMinute: 5 };
      // Independent of the limiter: reserved or actual tokens, and requests, by subject and minute.
      const sums = new Map<string, number>();
      const count = (id: string, change: number, most: number): void => {
        sums.set(id, (sums.get(id) ?? 0) + change);
        assert.ok((sums.get(id) ?? 0) <= most, `${id}: ${sums.get(id)}`);
      };
      const open: { settle(): void; at: number }[] = [];
      let pending: Promise<void>[] = [];
      for (const [index, { who, tokens, actual, settles, pause, together }] of steps.entries()) {
        const minute = Math.floor(clock.now / 60_000);
        const change = (tokensNow: number, requests: number): void => {
          count(`${who} tokens ${minute}`, tokensNow, 100);
          count(`${who} requests ${minute}`, requests, 5);
          count(`lab tokens ${minute}`, tokensNow, 150);
        };
        const reserving = limiter.reserve([key(limits, String(who)), group], tokens).then(
          (reservation) => {
            change(tokens, 1);
            const used = Math.ceil((tokens * actual) / 100);
            const settle = (): void => {
              // Before the limiter settles: another request may reserve the difference from then on.
              if (minute === Math.floor(clock.now / 60_000)) change(used - tokens, 0);
              reservation.settle(used);
            };
            open.push({ settle, at: index + settles });
          },
          () => undefined,
        );
        pending.push(reserving);
        if (together) continue;
        await Promise.all(pending);
        pending = [];
        clock.now += pause;
        for (const due of open.filter(({ at }) => at <= index)) {
          open.splice(open.indexOf(due), 1);
          due.settle();
        }
      }
      await Promise.all(pending);
    }),
    { numRuns: 200 },
  );
});
