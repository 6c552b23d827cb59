import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SwapList } from '../src/swap-list.ts';

test('a bag holds what was added and not removed, whatever the order', () => {
  const bag = new SwapList<number>();
  const held = [0, 1, 2, 3, 4].map((item) => bag.add(item));
  for (const [gone, left] of [
    [2, [0, 1, 3, 4]],
    [4, [0, 1, 3]],
    [0, [1, 3]],
    [1, [3]],
    [3, []],
  ] as const) {
    const one = held[gone];
    assert.ok(one);
    bag.remove(one);
    assert.deepEqual(
      bag.items.toSorted((one, other) => one - other),
      left,
    );
    assert.equal(bag.size, left.length);
  }
});
