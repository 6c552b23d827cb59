import assert from 'node:assert/strict';
import { mock, suite, test } from 'node:test';
import { MemoryTextStore } from '../../src/store/memory.ts';

const roomy = { entries: 3, bytes: 1000, ttl: 60_000 };

suite('MemoryTextStore', () => {
  test('returns a text until it is deleted', async () => {
    const store = new MemoryTextStore(roomy);
    await store.put('alice', 'a', 'one');
    assert.equal(await store.get('alice', 'a'), 'one');
    assert.equal(await store.delete('alice', 'a'), true);
    assert.equal(await store.delete('alice', 'a'), false);
    assert.equal(await store.get('alice', 'a'), undefined);
  });

  test('evicts the oldest text first', async () => {
    const store = new MemoryTextStore(roomy);
    for (const key of ['a', 'b', 'c', 'd']) await store.put('alice', key, key);
    assert.deepEqual(await Promise.all(['a', 'b', 'c', 'd'].map((key) => store.get('alice', key))), [
      undefined,
      'b',
      'c',
      'd',
    ]);
  });

  test('counts the age of a text from its last put', async () => {
    const store = new MemoryTextStore(roomy);
    for (const key of ['a', 'b', 'c', 'a', 'd']) await store.put('alice', key, key);
    assert.equal(await store.get('alice', 'b'), undefined);
    assert.equal(await store.get('alice', 'a'), 'a');
  });

  test('stays within its maximum size', async () => {
    const store = new MemoryTextStore(roomy);
    await store.put('alice', 'a', 'x'.repeat(300));
    await store.put('alice', 'b', 'x'.repeat(300));
    assert.equal(await store.get('alice', 'a'), undefined);
    await store.put('alice', 'c', 'x'.repeat(600));
    assert.equal(await store.get('alice', 'c'), undefined);
    assert.equal((await store.get('alice', 'b'))?.length, 300);
  });

  test('evicts the oldest text of the owner who keeps the most, by number and by size', async () => {
    const store = new MemoryTextStore({ entries: 4, bytes: 1000, ttl: 60_000 });
    await store.put('bob', 'a', 'one');
    for (const key of ['a', 'b', 'c', 'd', 'e']) await store.put('alice', key, key);
    assert.equal(await store.get('bob', 'a'), 'one');
    assert.deepEqual(await Promise.all(['b', 'c', 'e'].map((key) => store.get('alice', key))), [undefined, 'c', 'e']);
    // Too large to fit beside those who keep less.
    await store.put('alice', 'f', 'x'.repeat(490));
    assert.deepEqual([await store.get('bob', 'a'), await store.get('alice', 'f')], ['one', undefined]);
    await store.put('alice', 'g', 'x'.repeat(400));
    await store.put('alice', 'h', 'x'.repeat(400));
    assert.deepEqual([await store.get('bob', 'a'), await store.get('alice', 'g')], ['one', undefined]);
  });

  test('counts the texts of one owner for the quotas that they are put with', async () => {
    const store = new MemoryTextStore(roomy);
    await store.put('anonymous', 'a', 'one', '10.0.0.1');
    for (const key of ['b', 'c', 'd', 'e']) await store.put('anonymous', key, key, '10.0.0.2');
    assert.deepEqual(await Promise.all(['a', 'b', 'c', 'd', 'e'].map((key) => store.get('anonymous', key))), [
      'one',
      undefined,
      undefined,
      'd',
      'e',
    ]);
  });

  test('appends within the bounds, in the quota of the text, and makes the text the newest', async () => {
    const store = new MemoryTextStore(roomy);
    assert.equal(await store.append('alice', 'a', 'x'), 'absent');
    await store.put('anonymous', 'a', 'one', '10.0.0.1');
    assert.equal(await store.append('bob', 'a', 'x'), 'absent');
    for (const key of ['b', 'c']) await store.put('anonymous', key, key, '10.0.0.1');
    assert.equal(await store.append('anonymous', 'a', ' two'), 'appended');
    await store.put('anonymous', 'd', 'd', '10.0.0.1');
    assert.deepEqual(await Promise.all(['a', 'b', 'c', 'd'].map((key) => store.get('anonymous', key))), [
      'one two',
      undefined,
      'c',
      'd',
    ]);
    assert.equal(await store.append('anonymous', 'a', 'x'.repeat(500)), 'full');
    assert.equal(await store.get('anonymous', 'a'), 'one two');
  });

  test('loses no text when one of them is appended to until the store is full', async () => {
    const bounds = { entries: 10, bytes: 1_000, ttl: 60_000 };
    const store = new MemoryTextStore(bounds);
    await store.put('bob', 'b', 'x'.repeat(100));
    await store.put('alice', 'a', '');
    let appended = '';
    while ((await store.append('alice', 'a', 'xxxxx')) === 'appended') appended += 'xxxxx';
    assert.equal(await store.get('alice', 'a'), appended);
    assert.ok(appended.length > 300);
    assert.equal(await store.get('bob', 'b'), 'x'.repeat(100));
  });

  test('has as much room as before once all is deleted', async () => {
    const store = new MemoryTextStore(roomy);
    for (let round = 0; round < 10; round += 1) {
      for (const owner of ['alice', 'bob', 'carol']) await store.put(owner, 'a', 'x'.repeat(100));
      for (const owner of ['alice', 'bob', 'carol']) assert.equal(await store.delete(owner, 'a'), true);
    }
  });

  test('expires texts', async (t) => {
    const now = mock.method(performance, 'now', () => 1_000);
    t.after(() => now.mock.restore());
    const store = new MemoryTextStore(roomy);
    await store.put('alice', 'a', 'one');
    now.mock.mockImplementation(() => 60_999);
    assert.equal(await store.get('alice', 'a'), 'one');
    now.mock.mockImplementation(() => 61_000);
    assert.equal(await store.get('alice', 'a'), undefined);
  });
});
