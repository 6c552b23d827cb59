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

function dequeue(order: RoundRobin): Entry {
  const head = order.head();
  assert.ok(head);
  order.dequeue(head);
  return head;
}

function nextKeys(order: RoundRobin, count: number): string {
  return Array.from({ length: count }, () => dequeue(order).work.key).join('');
}

const many = (key: string, count: number, cost: number, weight = 1) =>
  Array.from({ length: count }, () => ({ key, cost, weight }));

suite('deficit round robin', () => {
  test('serves keys of equal weight the same cost, within the quantum plus the costliest request', () => {
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
            costs.flatMap((requests, key) => requests.map((cost) => ({ key: `${key}`, cost }))),
          );
          const left = new Map(costs.map((requests, key) => [`${key}`, requests.length]));
          const got = new Map(costs.map((_, key) => [`${key}`, 0]));
          const most = Math.max(...costs.flat());
          // While all keys have requests waiting.
          while ([...left.values()].every((count) => count > 0)) {
            const { work, cost } = dequeue(order);
            left.set(work.key, (left.get(work.key) ?? 0) - 1);
            got.set(work.key, (got.get(work.key) ?? 0) + cost);
            const served = [...got.values()];
            assert.ok(Math.max(...served) - Math.min(...served) <= quantum + most);
          }
        },
      ),
    );
  });

  test('serves a key of weight 3 three times as much', () => {
    const order = filled(1, [...many('a', 40, 100), ...many('b', 40, 100, 3)]);
    const keys = nextKeys(order, 40);
    assert.ok(Math.abs(keys.split('b').length - 1 - 30) <= 1, keys);
  });

  test('serves a key that comes later before the queue of another key', () => {
    const order = filled(1, many('x', 50, 100));
    dequeue(order);
    order.add(createEntry(work({ key: 'y' })));
    assert.equal(dequeue(order).work.key, 'y');
  });

  test('serves a key that comes and goes no more than one that stays', () => {
    const order = filled(1, [...many('a', 20, 100), ...many('b', 20, 100)]);
    const visit = (): void => order.add(createEntry(work({ key: 'v', cost: 1000 })));
    visit();
    let keys = '';
    for (let count = 0; count < 30; count += 1) {
      const { key } = dequeue(order).work;
      keys += key;
      if (key === 'v') visit();
    }
    assert.match(keys, /^[ab]{2}v[ab]{20}v[ab]{6}$/);
  });

  test('charges cost beyond the estimate to the next requests of the key', () => {
    const order = filled(1, [...many('a', 5, 100), ...many('b', 20, 100)]);
    assert.equal(nextKeys(order, 2), 'ab');
    order.charge('a', 900);
    assert.equal(nextKeys(order, 10), 'bbbbbbbbba');
  });

  test('gives back cost below the estimate', () => {
    const order = filled(1, [...many('a', 20, 1000), ...many('b', 20, 1000)]);
    assert.equal(nextKeys(order, 2), 'ab');
    order.charge('a', -1000);
    assert.equal(nextKeys(order, 3), 'aab');
  });

  test('remembers the debt of a key without waiting requests while others wait, and reduces it each round', () => {
    const order = filled(1, [...many('a', 1, 100), ...many('b', 20, 100)]);
    dequeue(order);
    order.charge('a', 400);
    assert.equal(nextKeys(order, 3), 'bbb');
    order.add(createEntry(work({ key: 'a' })));
    assert.equal(nextKeys(order, 4), 'bbab');
  });

  test('forgives all debts when no request waits', () => {
    const order = filled(1, many('a', 1, 100));
    dequeue(order);
    order.charge('a', 1_000_000);
    order.add(createEntry(work({ key: 'b' })));
    order.add(createEntry(work({ key: 'a' })));
    order.add(createEntry(work({ key: 'b' })));
    assert.equal(nextKeys(order, 3), 'bab');
  });

  test('skips rounds in which no key is served in constant time', () => {
    const order = filled(1, [...many('a', 2, 1e12), ...many('b', 2, 1e12)]);
    assert.equal(nextKeys(order, 4), 'abab');
  });

  test('does not charge removed requests', () => {
    const order = new RoundRobin(1);
    const entries = ['a', 'a', 'b'].map((key) => createEntry(work({ key })));
    for (const entry of entries) order.add(entry);
    for (const entry of entries.slice(0, 2)) order.remove(entry);
    assert.equal(nextKeys(order, 1), 'b');
    assert.ok(order.head() === undefined);
    assert.ok(order.empty);
  });

  test('ranks requests in the order in which they are dequeued', () => {
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
          for (let count = 0; count < Math.min(started, requests.length); count += 1) dequeue(order);
          const ranked = order.ranking();
          // Entries are linked to each other, so a deep comparison would take forever.
          assert.ok(ranked.every((entry) => dequeue(order) === entry));
          assert.ok(order.empty);
        },
      ),
    );
  });
});
