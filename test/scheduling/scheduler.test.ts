import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { Entry, Work } from '../../src/scheduling/entry.ts';
import { Scheduler, type SchedulerOptions } from '../../src/scheduling/scheduler.ts';
import { options, work } from './work.ts';

function scheduler(given: Partial<SchedulerOptions> = {}, ...waiting: Partial<Work>[]): Scheduler {
  const made = new Scheduler({ ...options, ...given });
  for (const one of waiting) made.add(work(one));
  return made;
}

const times = (count: number, one: Partial<Work>): Partial<Work>[] => Array.from({ length: count }, () => one);

/** Starts one after the other, each taking as long as given. */
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
  test('at most `parallel` run', () => {
    const queue = scheduler({ parallel: 3 }, ...times(5, {}));
    const started = [queue.next(0), queue.next(0), queue.next(0)];
    assert.ok(started.every((entry) => entry !== undefined));
    assert.ok(queue.next(0) === undefined);
    queue.finish(started[1] as Entry, {});
    assert.ok(queue.next(0));
    assert.ok(queue.next(0) === undefined);
  });

  test('key x sends 50 at once, then key y one: y is next', () => {
    const queue = scheduler({}, ...times(50, {}));
    const first = queue.next(0) as Entry;
    queue.add(work({ key: 'y' }));
    queue.finish(first, {});
    assert.equal(queue.next(0)?.work.key, 'y');
  });

  test('interactive before batch, but one of eight is batch', () => {
    const queue = scheduler({}, ...times(4, { key: 'b', priority: 'batch' }), ...times(20, { key: 'i' }));
    assert.equal(keysOf(run(queue, 24)), 'iiiiiiibiiiiiiibiiiiiibb');
  });

  test('one that was removed never starts', () => {
    const queue = scheduler();
    const entry = queue.add(work());
    queue.remove(entry);
    assert.ok(queue.next(0) === undefined);
    assert.equal(queue.waiting, 0);
  });

  test('a request that started cannot be removed, and is finished once', () => {
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

  test('without extra wait the fair order holds', () => {
    assert.equal(modelsOf(run(scheduler({ maxExtraWait: 0 }, ...mixed), 6)), 'ababab');
  });

  test('those of the model in memory go before a swap', () => {
    assert.equal(modelsOf(run(scheduler({}, ...mixed), 6)), 'aaabbb');
  });

  test('what the box is said to hold goes first', () => {
    const queue = scheduler({}, ...mixed);
    queue.setLoaded(['b']);
    assert.equal(modelsOf(run(queue, 6)), 'bbbaaa');
  });

  test('who waits for a swap is overtaken for no longer than maxExtraWait', () => {
    const queue = scheduler({ maxExtraWait: 5000 }, { key: 'x' }, { key: 'y', model: 'b' }, ...times(50, { key: 'z' }));
    assert.equal(modelsOf(run(queue, 7)), 'aaaaaab');
  });

  test('even where requests take longer than they seem to', () => {
    const queue = scheduler(
      { maxExtraWait: 5000, serviceTime: 1, parallel: 2 },
      { key: 'x' },
      { key: 'y', model: 'b' },
    );
    for (const one of times(50, { key: 'z' })) queue.add(work(one));
    const long = queue.next(0) as Entry;
    for (let now = 0; now < 5000; now += 1000) {
      const entry = queue.next(now) as Entry;
      assert.equal(entry.work.model, 'a');
      // Never says what it took.
      queue.finish(entry, {});
    }
    assert.ok(queue.next(5000) === undefined);
    queue.finish(long, {});
    assert.equal(queue.next(5000)?.work.model, 'b');
  });

  test('who started early has no turn later: keys of different models get the same', () => {
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
      // As many as start early within the extra wait, and the one whose turn it is.
      assert.ok(Math.abs(ahead) <= 4);
      if (model !== resident) swaps += 1;
      resident = model;
    }
    assert.ok(swaps < 30, `${swaps} swaps`);
  });

  test('no more than maxEarly go early', () => {
    const queue = scheduler({ maxEarly: 2 }, { key: 'x' }, { key: 'y', model: 'b' }, ...times(5, { key: 'z' }));
    assert.equal(modelsOf(run(queue, 4)), 'aaab');
  });

  test('a box that is full swaps when what runs on it is done', () => {
    const queue = scheduler({ parallel: 4 }, { model: 'a' }, { model: 'b' });
    const first = queue.next(0) as Entry;
    assert.ok(queue.next(0) === undefined);
    queue.finish(first, {});
    assert.equal(queue.next(0)?.work.model, 'b');
  });

  test('a box with room for two loads the second at once', () => {
    const queue = scheduler({ parallel: 4, slots: 2 }, { model: 'a' }, { model: 'b' }, { model: 'c' });
    assert.equal(queue.next(0)?.work.model, 'a');
    assert.equal(queue.next(0)?.work.model, 'b');
    assert.ok(queue.next(0) === undefined);
  });

  test('a model nobody waits for makes room, not one that is wanted', () => {
    const queue = scheduler({ slots: 2 });
    queue.setLoaded(['a', 'b']);
    for (const model of ['c', 'a', 'a']) queue.add(work({ model, key: model }));
    assert.equal(queue.next(0)?.work.model, 'c');
    assert.deepEqual(queue.resident.toSorted(), ['a', 'c']);
  });

  test('how many models a box holds is learned', () => {
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

  test('a batch request does not go before an interactive one', () => {
    const queue = scheduler({}, ...times(5, { priority: 'batch', model: 'a' }));
    queue.setLoaded(['a']);
    queue.add(work({ model: 'b', key: 'y' }));
    assert.equal(modelsOf(run(queue, 6)), 'baaaaa');
  });
});
