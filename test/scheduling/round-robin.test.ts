import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { type Entry, createEntry } from '../../src/scheduling/entry.ts';
import { RoundRobin } from '../../src/scheduling/round-robin.ts';
import { work } from './work.ts';

function filled(quantum: number, requests: readonly { key: string; cost: number; weight?: number }[]): RoundRobin {
  const order = new RoundRobin(quantum);
  for (const request of requests) order.add(createEntry(work(request)));
  return order;
}

function take(order: RoundRobin): Entry {
  const head = order.head();
  assert.ok(head);
  order.dequeue(head);
  return head;
}

function taken(order: RoundRobin, count: number): string {
  return Array.from({ length: count }, () => take(order).work.key).join('');
}

const many = (key: string, count: number, cost: number, weight = 1) =>
  Array.from({ length: count }, () => ({ key, cost, weight }));

suite('deficit round robin', () => {
  test('keys of equal weight get the same cost, within the quantum and the costliest request', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 2000 }),
        fc.array(fc.array(fc.integer({ min: 1, max: 1000 }), { minLength: 1, maxLength: 40 }), {
          minLength: 2,
          maxLength: 8,
        }),
        (quantum, costs) => {
          const order = filled(
            quantum,
            costs.flatMap((some, key) => some.map((cost) => ({ key: `${key}`, cost }))),
          );
          const left = new Map(costs.map((some, key) => [`${key}`, some.length]));
          const got = new Map(costs.map((_, key) => [`${key}`, 0]));
          const most = Math.max(...costs.flat());
          // As long as all have requests waiting.
          while ([...left.values()].every((count) => count > 0)) {
            const { work, cost } = take(order);
            left.set(work.key, (left.get(work.key) ?? 0) - 1);
            got.set(work.key, (got.get(work.key) ?? 0) + cost);
            const served = [...got.values()];
            assert.ok(Math.max(...served) - Math.min(...served) <= quantum + most);
          }
        },
      ),
    );
  });

  test('a key of weight 3 gets three times as much', () => {
    const order = filled(1, [...many('a', 40, 100), ...many('b', 40, 100, 3)]);
    const keys = taken(order, 40);
    assert.ok(Math.abs(keys.split('b').length - 1 - 30) <= 1, keys);
  });

  test('a key that comes later is not behind those who have a queue', () => {
    const order = filled(1, many('x', 50, 100));
    take(order);
    order.add(createEntry(work({ key: 'y' })));
    assert.equal(take(order).work.key, 'y');
  });

  test('a key that comes and goes does not get more than one that stays', () => {
    const order = filled(1, [...many('a', 20, 100), ...many('b', 20, 100)]);
    const visit = (): void => order.add(createEntry(work({ key: 'v', cost: 1000 })));
    visit();
    let keys = '';
    for (let turn = 0; turn < 30; turn += 1) {
      const { key } = take(order).work;
      keys += key;
      if (key === 'v') visit();
    }
    assert.match(keys, /^[ab]{2}v[ab]{20}v[ab]{6}$/);
  });

  test('what a request cost more than estimated is taken from the next ones', () => {
    const order = filled(1, [...many('a', 5, 100), ...many('b', 20, 100)]);
    assert.equal(taken(order, 2), 'ab');
    order.charge('a', 900);
    assert.equal(taken(order, 10), 'bbbbbbbbba');
  });

  test('what it cost less is given back', () => {
    const order = filled(1, [...many('a', 20, 1000), ...many('b', 20, 1000)]);
    assert.equal(taken(order, 2), 'ab');
    order.charge('a', -1000);
    assert.equal(taken(order, 3), 'aab');
  });

  test('a debt of a key with nothing waiting is remembered while others wait, and paid by the laps that pass', () => {
    const order = filled(1, [...many('a', 1, 100), ...many('b', 20, 100)]);
    take(order);
    order.charge('a', 400);
    assert.equal(taken(order, 3), 'bbb');
    order.add(createEntry(work({ key: 'a' })));
    assert.equal(taken(order, 4), 'bbab');
  });

  test('with nobody waiting nobody owes', () => {
    const order = filled(1, many('a', 1, 100));
    take(order);
    order.charge('a', 1_000_000);
    order.add(createEntry(work({ key: 'b' })));
    order.add(createEntry(work({ key: 'a' })));
    order.add(createEntry(work({ key: 'b' })));
    assert.equal(taken(order, 3), 'bab');
  });

  test('the laps in which nobody is served take no time', () => {
    const order = filled(1, [...many('a', 2, 1e12), ...many('b', 2, 1e12)]);
    assert.equal(taken(order, 4), 'abab');
  });

  test('removed requests cost nothing', () => {
    const order = new RoundRobin(1);
    const entries = ['a', 'a', 'b'].map((key) => createEntry(work({ key })));
    for (const entry of entries) order.add(entry);
    for (const entry of entries.slice(0, 2)) order.remove(entry);
    assert.equal(taken(order, 1), 'b');
    assert.ok(order.head() === undefined);
    assert.ok(order.empty);
  });

  test('the ranking is the order in which they are taken', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 2000 }),
        fc.array(
          fc.record({
            key: fc.constantFrom('a', 'b', 'c'),
            cost: fc.integer({ min: 1, max: 1000 }),
          }),
          { maxLength: 40 },
        ),
        fc.nat(10),
        (quantum, requests, started) => {
          const order = filled(
            quantum,
            requests.map((request) => ({ ...request, weight: request.key === 'a' ? 2.5 : 1 })),
          );
          for (let count = 0; count < Math.min(started, requests.length); count += 1) take(order);
          const ranked = order.ranking();
          // Entries are linked to each other: comparing them in depth takes for ever.
          assert.ok(ranked.every((entry) => take(order) === entry));
          assert.ok(order.empty);
        },
      ),
    );
  });
});
