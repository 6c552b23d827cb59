import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { Entry, Work } from '../../src/scheduling/entry.ts';
import { Scheduler, type SchedulerOptions } from '../../src/scheduling/scheduler.ts';
import { options, work } from './work.ts';

function scheduler(overrides: Partial<SchedulerOptions> = {}, ...waiting: Partial<Work>[]): Scheduler {
  const made = new Scheduler({ ...options, ...overrides });
  for (const given of waiting) made.add(work(given));
  return made;
}

const times = (count: number, given: Partial<Work>): Partial<Work>[] => Array.from({ length: count }, () => given);

/** Runs requests one after the other. @param service milliseconds of each */
function run(queue: Scheduler, count: number, service = 1000): Work[] {
  let now = 0;
  return Array.from({ length: count }, () => {
    const entry = queue.next(now);
    assert.ok(entry);
    now += service;
    queue.finish(entry, { service });
    return entry.work;
  });
}

const modelsOf = (works: readonly Work[]): string => works.map(({ model }) => model).join('');
const keysOf = (works: readonly Work[]): string => works.map(({ key }) => key).join('');

suite('scheduler', () => {
  test('runs at most `parallel` requests', () => {
    const queue = scheduler({ parallel: 3 }, ...times(5, {}));
    const started = [queue.next(0), queue.next(0), queue.next(0)];
    assert.ok(started.every((entry) => entry !== undefined));
    assert.ok(queue.next(0) === undefined);
    queue.finish(started[1] as Entry, {});
    assert.ok(queue.next(0));
    assert.ok(queue.next(0) === undefined);
  });

  test('starts the single request of one key before the other 49 of another', () => {
    const queue = scheduler({}, ...times(50, {}));
    const first = queue.next(0) as Entry;
    queue.add(work({ key: 'y' }));
    queue.finish(first, {});
    assert.equal(queue.next(0)?.work.key, 'y');
  });

  test('starts interactive before batch requests, but one of eight is a batch request', () => {
    const queue = scheduler({}, ...times(4, { key: 'b', priority: 'batch' }), ...times(20, { key: 'i' }));
    assert.equal(keysOf(run(queue, 24)), 'iiiiiiibiiiiiiibiiiiiibb');
  });

  test('never starts a removed request', () => {
    const queue = scheduler();
    const entry = queue.add(work());
    queue.remove(entry);
    assert.ok(queue.next(0) === undefined);
    assert.equal(queue.waiting, 0);
  });

  test('does not remove a started request, and finishes it once', () => {
    const queue = scheduler({}, {});
    const entry = queue.next(0) as Entry;
    queue.remove(entry);
    assert.equal(queue.running, 1);
    queue.finish(entry, {});
    queue.finish(entry, {});
    assert.equal(queue.running, 0);
  });
});

suite('model swaps', () => {
  const mixed = [
    { key: 'x', model: 'a' },
    { key: 'y', model: 'b' },
    { key: 'z', model: 'a' },
    { key: 'x', model: 'b' },
    { key: 'y', model: 'a' },
    { key: 'z', model: 'b' },
  ];

  test('do not change the fair order without extra wait', () => {
    assert.equal(modelsOf(run(scheduler({ maxExtraWait: 0 }, ...mixed), 6)), 'ababab');
  });

  test('are delayed until no request waits for the model in memory', () => {
    assert.equal(modelsOf(run(scheduler({}, ...mixed), 6)), 'aaabbb');
  });

  test('are delayed for a model that the server reports as loaded', () => {
    const queue = scheduler({}, ...mixed);
    queue.setLoaded(['b']);
    assert.equal(modelsOf(run(queue, 6)), 'bbbaaa');
  });

  test('are delayed by at most maxExtraWait', () => {
    const queue = scheduler({ maxExtraWait: 5000 }, { key: 'x' }, { key: 'y', model: 'b' }, ...times(50, { key: 'z' }));
    assert.equal(modelsOf(run(queue, 7)), 'aaaaaab');
  });

  test('are delayed by at most maxExtraWait even if requests take longer than estimated', () => {
    const queue = scheduler(
      { maxExtraWait: 5000, serviceTime: 1, parallel: 2 },
      { key: 'x' },
      { key: 'y', model: 'b' },
    );
    for (const given of times(50, { key: 'z' })) queue.add(work(given));
    const long = queue.next(0) as Entry;
    for (let now = 0; now < 5000; now += 1000) {
      const entry = queue.next(now) as Entry;
      assert.equal(entry.work.model, 'a');
      // Without measurements.
      queue.finish(entry, {});
    }
    assert.ok(queue.next(5000) === undefined);
    queue.finish(long, {});
    assert.equal(queue.next(5000)?.work.model, 'b');
  });

  test('keep the shares of keys equal: a request that started early is skipped later', () => {
    const queue = scheduler(
      { maxExtraWait: 3000 },
      ...times(30, { key: 'y', model: 'a' }),
      ...times(30, { key: 'z', model: 'b' }),
    );
    let ahead = 0;
    let swaps = 0;
    let resident = '';
    for (const { key, model } of run(queue, 60)) {
      ahead += key === 'y' ? 1 : -1;
      // As many as may start early within the extra wait, plus the head of the order.
      assert.ok(Math.abs(ahead) <= 4);
      if (model !== resident) swaps += 1;
      resident = model;
    }
    assert.ok(swaps < 30, `${swaps} swaps`);
  });

  test('let at most maxEarly requests start early', () => {
    const queue = scheduler({ maxEarly: 2 }, { key: 'x' }, { key: 'y', model: 'b' }, ...times(5, { key: 'z' }));
    assert.equal(modelsOf(run(queue, 4)), 'aaab');
  });

  test('wait for running requests when all model slots are used', () => {
    const queue = scheduler({ parallel: 4 }, { model: 'a' }, { model: 'b' });
    const first = queue.next(0) as Entry;
    assert.ok(queue.next(0) === undefined);
    queue.finish(first, {});
    assert.equal(queue.next(0)?.work.model, 'b');
  });

  test('are not needed while a model slot is free', () => {
    const queue = scheduler({ parallel: 4, slots: 2 }, { model: 'a' }, { model: 'b' }, { model: 'c' });
    assert.equal(queue.next(0)?.work.model, 'a');
    assert.equal(queue.next(0)?.work.model, 'b');
    assert.ok(queue.next(0) === undefined);
  });

  test('evict a model that no request waits for', () => {
    const queue = scheduler({ slots: 2 });
    queue.setLoaded(['a', 'b']);
    for (const model of ['c', 'a', 'a']) queue.add(work({ model, key: model }));
    assert.equal(queue.next(0)?.work.model, 'c');
    assert.deepEqual(queue.resident.toSorted(), ['a', 'c']);
  });

  test('learn the number of model slots', () => {
    const { slots: _, ...unknown } = options;
    const queue = new Scheduler({ ...unknown, parallel: 4 });
    for (const model of ['a', 'b']) queue.add(work({ model }));
    queue.finish(queue.next(0) as Entry, {});
    queue.finish(queue.next(0) as Entry, {});
    queue.setLoaded(['a', 'b']);
    for (const model of ['c', 'd', 'e']) queue.add(work({ model }));
    assert.ok(queue.next(0));
    assert.ok(queue.next(0));
    assert.ok(queue.next(0) === undefined);
  });

  test('do not let a batch request overtake an interactive one', () => {
    const queue = scheduler({}, ...times(5, { priority: 'batch', model: 'a' }));
    queue.setLoaded(['a']);
    queue.add(work({ model: 'b', key: 'y' }));
    assert.equal(modelsOf(run(queue, 6)), 'baaaaa');
  });
});
