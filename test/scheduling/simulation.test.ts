import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { fairness, jain, maxMin, measures } from './measures.ts';
import { firstCome, type Job, type Policy, scenarios, scheduled, simulate } from './simulation.ts';
import { work } from './work.ts';

/** The scenarios in which the server cannot keep up if it swaps models for each request. */
const loaded = scenarios.slice(1);
const seeds = [1, 2, 3, 4, 5];

suite('simulation', () => {
  for (const { name, scenario } of loaded) {
    test(`${name}: halves the swaps without longer waits, and is fair`, () => {
      for (const seed of seeds) {
        const seeded = { ...scenario, seed };
        const measure = (policy: Policy) => measures(simulate(seeded, policy), seeded.duration);
        const fifo = measure(firstCome(seeded));
        const plain = measure(scheduled(seeded, { maxExtraWait: 0 }));
        const aware = measure(scheduled(seeded));
        assert.ok(aware.swaps <= fifo.swaps / 2, `${aware.swaps} swaps of ${fifo.swaps}`);
        assert.ok(aware.p99 <= fifo.p99, `${aware.p99} s of ${fifo.p99} s`);
        assert.ok(aware.p99 <= plain.p99, `${aware.p99} s of ${plain.p99} s`);
        assert.ok(aware.tokensPerSecond >= fifo.tokensPerSecond);
        assert.ok(plain.fairness >= 0.95, `${plain.fairness}`);
        assert.ok(aware.fairness >= 0.95, `${aware.fairness}`);
        assert.ok(fifo.fairness < 0.9, 'the index detects unfairness');
      }
    });
  }

  test('serves every request once', () => {
    for (const { scenario } of scenarios) {
      const { jobs } = simulate({ ...scenario, seed: 1 }, scheduled({ ...scenario, seed: 1 }));
      assert.ok(jobs.length > 500);
      assert.ok(jobs.every(({ arrival, started, finished }) => arrival <= started && started < finished));
    }
  });

  test('keeps the lag below the extra wait plus one request', () => {
    for (const { scenario } of scenarios) {
      const seeded = { ...scenario, seed: 1 };
      const policy = scheduled(seeded);
      let most = 0;
      const { jobs } = simulate(seeded, {
        ...policy,
        next: (now) => {
          most = Math.max(most, policy.scheduler.lag);
          return policy.next(now);
        },
      });
      const longest = Math.max(...jobs.map(({ service }) => service));
      assert.ok(most > 30_000 && most <= 60_000 + longest, `${most}`);
    }
  });

  test('starts no request later than in the fair order by more than maxExtraWait and one request', () => {
    fc.assert(
      fc.property(
        fc.record({
          seed: fc.nat(),
          duration: fc.constant(1000),
          meanInterval: fc.constantFrom(10, 40),
          parallel: fc.constant(1),
          load: fc.constantFrom(100, 8000, 30_000),
          meanTokens: fc.constant(200),
          tokenTime: fc.constant(20),
        }),
        fc.constantFrom(1000, 20_000, 60_000),
        (scenario, maxExtraWait) => {
          const fair = simulate(scenario, scheduled(scenario, { maxExtraWait: 0 }));
          const aware = simulate(scenario, scheduled(scenario, { maxExtraWait }));
          const longest = Math.max(...fair.jobs.map(({ service }) => service));
          for (const [index, { started }] of aware.jobs.entries()) {
            const late = started - (fair.jobs[index]?.started ?? 0);
            assert.ok(late <= maxExtraWait + longest + 1, `${late}`);
          }
          assert.ok(aware.swaps <= fair.swaps);
        },
      ),
      {
        numRuns: 200,
        // Cases in which the head loads a model that would be in memory in the fair order.
        examples: [25, 92].map((seed) => [
          { seed, duration: 1000, meanInterval: 10, parallel: 1, load: 30_000, meanTokens: 200, tokenTime: 20 },
          60_000,
        ]),
      },
    );
  });
});

suite('measures', () => {
  const ran = (key: string, arrival: number, started: number, finished: number): Job => ({
    work: work({ key }),
    arrival,
    tokens: finished - started,
    service: finished - started,
    started,
    finished,
  });

  test("Jain's index is 1 for equal shares, and 1/n if one key has everything", () => {
    assert.equal(jain([3, 3, 3]), 1);
    assert.equal(jain([5, 0, 0, 0]), 0.25);
  });

  test('max-min shares give unused capacity to other keys', () => {
    const demand = new Map([
      ['a', 90],
      ['b', 10],
      ['c', 50],
    ]);
    assert.deepEqual(Object.fromEntries(maxMin(demand, 90)), { a: 40, b: 10, c: 40 });
  });

  test('fairness is 1 for equal service, and lower if a key gets nothing', () => {
    const shared = [ran('a', 0, 0, 50), ran('b', 0, 50, 100), ran('a', 0, 100, 150), ran('b', 0, 150, 200)];
    assert.equal(fairness(shared, 100, 100), 1);
    const alone = [ran('a', 0, 0, 100), ran('b', 0, 100, 200)];
    assert.equal(fairness(alone, 100, 100), 0.5);
  });

  test('fairness is 1 if a key demands little and gets it', () => {
    const jobs = [ran('a', 0, 0, 90), ran('b', 0, 90, 100), ran('a', 0, 100, 200)];
    assert.equal(fairness(jobs, 100, 100), 1);
  });
});
