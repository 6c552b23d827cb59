import assert from 'node:assert/strict';
import { mock, suite, test } from 'node:test';
import { MemoryKeeper } from '../../src/store/memory.ts';

const roomy = { entries: 3, bytes: 1000, ttl: 60_000 };

suite('texts kept in memory', () => {
  test('are there until they are deleted', async () => {
    const keeper = new MemoryKeeper(roomy);
    await keeper.put('a', 'one');
    assert.equal(await keeper.get('a'), 'one');
    assert.equal(await keeper.delete('a'), true);
    assert.equal(await keeper.delete('a'), false);
    assert.equal(await keeper.get('a'), undefined);
  });

  test('make room for later ones, the oldest first', async () => {
    const keeper = new MemoryKeeper(roomy);
    for (const key of ['a', 'b', 'c', 'd']) await keeper.put(key, key);
    assert.deepEqual(await Promise.all(['a', 'b', 'c', 'd'].map((key) => keeper.get(key))), [undefined, 'b', 'c', 'd']);
  });

  test('are as young as they were last put', async () => {
    const keeper = new MemoryKeeper(roomy);
    for (const key of ['a', 'b', 'c', 'a', 'd']) await keeper.put(key, key);
    assert.equal(await keeper.get('b'), undefined);
    assert.equal(await keeper.get('a'), 'a');
  });

  test('never take more memory than they may', async () => {
    const keeper = new MemoryKeeper(roomy);
    await keeper.put('a', 'x'.repeat(300));
    await keeper.put('b', 'x'.repeat(300));
    assert.equal(await keeper.get('a'), undefined);
    await keeper.put('c', 'x'.repeat(600));
    assert.equal(await keeper.get('c'), undefined);
    assert.equal((await keeper.get('b'))?.length, 300);
  });

  test('are forgotten after their time', async (t) => {
    const now = mock.method(performance, 'now', () => 1_000);
    t.after(() => now.mock.restore());
    const keeper = new MemoryKeeper(roomy);
    await keeper.put('a', 'one');
    now.mock.mockImplementation(() => 60_999);
    assert.equal(await keeper.get('a'), 'one');
    now.mock.mockImplementation(() => 61_000);
    assert.equal(await keeper.get('a'), undefined);
  });
});
