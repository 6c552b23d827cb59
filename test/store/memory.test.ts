import assert from 'node:assert/strict';
import { mock, suite, test } from 'node:test';
import { MemoryTextStore } from '../../src/store/memory.ts';

const roomy = { entries: 3, bytes: 1000, ttl: 60_000 };

suite('MemoryTextStore', () => {
  test('returns a text until it is deleted', async () => {
    const store = new MemoryTextStore(roomy);
    await store.put('a', 'one');
    assert.equal(await store.get('a'), 'one');
    assert.equal(await store.delete('a'), true);
    assert.equal(await store.delete('a'), false);
    assert.equal(await store.get('a'), undefined);
  });

  test('evicts the oldest text first', async () => {
    const store = new MemoryTextStore(roomy);
    for (const key of ['a', 'b', 'c', 'd']) await store.put(key, key);
    assert.deepEqual(await Promise.all(['a', 'b', 'c', 'd'].map((key) => store.get(key))), [undefined, 'b', 'c', 'd']);
  });

  test('counts the age of a text from its last put', async () => {
    const store = new MemoryTextStore(roomy);
    for (const key of ['a', 'b', 'c', 'a', 'd']) await store.put(key, key);
    assert.equal(await store.get('b'), undefined);
    assert.equal(await store.get('a'), 'a');
  });

  test('stays within its maximum size', async () => {
    const store = new MemoryTextStore(roomy);
    await store.put('a', 'x'.repeat(300));
    await store.put('b', 'x'.repeat(300));
    assert.equal(await store.get('a'), undefined);
    await store.put('c', 'x'.repeat(600));
    assert.equal(await store.get('c'), undefined);
    assert.equal((await store.get('b'))?.length, 300);
  });

  test('expires texts', async (t) => {
    const now = mock.method(performance, 'now', () => 1_000);
    t.after(() => now.mock.restore());
    const store = new MemoryTextStore(roomy);
    await store.put('a', 'one');
    now.mock.mockImplementation(() => 60_999);
    assert.equal(await store.get('a'), 'one');
    now.mock.mockImplementation(() => 61_000);
    assert.equal(await store.get('a'), undefined);
  });
});
