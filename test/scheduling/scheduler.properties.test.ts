import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Entry } from '../../src/scheduling/entry.ts';
import { Scheduler } from '../../src/scheduling/scheduler.ts';
import { options, work } from './work.ts';

const name = fc.constantFrom('a', 'b', 'c');
const step = fc.oneof(
  fc.record({
    type: fc.constant('add' as const),
    key: name,
    model: name,
    cost: fc.integer({ min: 0, max: 5000 }),
    weight: fc.constantFrom(0.5, 1, 4),
    priority: fc.constantFrom('interactive' as const, 'batch' as const),
  }),
  fc.record({ type: fc.constant('next' as const), after: fc.integer({ min: 0, max: 20_000 }) }),
  fc.record({ type: fc.constant('leave' as const), which: fc.nat() }),
  fc.record({
    type: fc.constant('finish' as const),
    which: fc.nat(),
    outcome: fc.record(
      { cost: fc.integer({ min: 0, max: 9000 }), service: fc.integer({ min: 0, max: 30_000 }), load: fc.nat(9000) },
      { requiredKeys: [] },
    ),
  }),
  fc.record({ type: fc.constant('loaded' as const), models: fc.array(name, { maxLength: 3 }) }),
);

test('loses no request and starts none twice or after it was removed, in any sequence of events', () => {
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 150 }),
      fc.integer({ min: 1, max: 4 }),
      fc.constantFrom(1, 2, undefined),
      fc.constantFrom(0, 20_000),
      (steps, parallel, slots, maxExtraWait) => {
        const { slots: _, ...others } = options;
        const given = { ...others, parallel, maxExtraWait, maxEarly: 5, quantum: 50 };
        const queue = new Scheduler(slots === undefined ? given : { ...given, slots });
        const waiting = new Set<Entry>();
        const running = new Set<Entry>();
        let now = 0;
        const next = (): void => {
          const entry = queue.next(now);
          if (entry === undefined) {
            assert.ok(waiting.size === 0 || running.size > 0, 'a waiting request may start when none runs');
            return;
          }
          assert.ok(waiting.delete(entry), 'it waited');
          running.add(entry);
          assert.ok(running.size <= parallel);
          if (slots !== undefined) {
            assert.ok(
              new Set([...running].map((entry) => entry.work.model)).size <= Math.max(slots, queue.resident.length),
            );
          }
        };
        const finish = (entry: Entry | undefined, outcome = {}): void => {
          if (entry === undefined) return;
          running.delete(entry);
          queue.finish(entry, outcome);
        };
        const nth = (set: Set<Entry>, which: number): Entry | undefined => [...set][which % Math.max(1, set.size)];
        for (const event of steps) {
          switch (event.type) {
            case 'add':
              waiting.add(queue.add(work(event)));
              break;
            case 'next':
              now += event.after;
              next();
              break;
            case 'leave': {
              const entry = nth(waiting, event.which);
              if (entry === undefined) break;
              waiting.delete(entry);
              queue.remove(entry);
              break;
            }
            case 'finish':
              finish(nth(running, event.which), event.outcome);
              break;
            case 'loaded':
              queue.setLoaded(event.models);
              break;
            default:
              event satisfies never;
          }
          assert.equal(queue.waiting, waiting.size);
          assert.equal(queue.running, running.size);
          const ranked = queue.ranking();
          assert.equal(ranked.length, waiting.size);
          assert.ok(ranked.every((entry) => waiting.has(entry)));
        }
        for (let left = waiting.size + running.size; left > 0; left -= 1) {
          next();
          finish(nth(running, 0));
        }
        assert.equal(queue.waiting + queue.running, 0);
      },
    ),
  );
});

test('starts a batch request at least once in every batchShare requests', () => {
  fc.assert(
    fc.property(
      fc.array(name, { minLength: 30, maxLength: 60 }),
      fc.integer({ min: 2, max: 8 }),
      (keys, batchShare) => {
        const queue = new Scheduler({ ...options, batchShare });
        for (const key of keys) queue.add(work({ key }));
        const batch = keys.length / batchShare;
        for (let count = 0; count < batch; count += 1) queue.add(work({ priority: 'batch' }));
        let since = 0;
        for (let left = Math.floor(batch); left > 0;) {
          const entry = queue.next(0) as Entry;
          queue.finish(entry, {});
          since = entry.work.priority === 'batch' ? 0 : since + 1;
          if (since === 0) left -= 1;
          assert.ok(since < batchShare);
        }
      },
    ),
  );
});
