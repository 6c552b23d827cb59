import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SwapList } from '../src/swap-list.ts';

test('a swap list contains the items that were added and not removed, in any order of removal', () => {
  const list = new SwapList<number>();
  const entries = [0, 1, 2, 3, 4].map((item) => list.add(item));
  for (const [removed, remaining] of [
    [2, [0, 1, 3, 4]],
    [4, [0, 1, 3]],
    [0, [1, 3]],
    [1, [3]],
    [3, []],
  ] as const) {
    const entry = entries[removed];
    assert.ok(entry);
    list.remove(entry);
    assert.deepEqual(
      list.items.toSorted((a, b) => a - b),
      remaining,
    );
    assert.equal(list.size, remaining.length);
  }
});
