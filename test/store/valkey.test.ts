import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { GatewayError } from '../../src/errors.ts';
import { ValkeyTextStore, connectValkey } from '../../src/store/valkey.ts';
import { noValkey, startValkey } from '../helpers/valkey.ts';
import { until } from '../helpers/wait.ts';

const roomy = { entries: 3, bytes: 1000, ttl: 60_000 };

suite('ValkeyTextStore', { skip: noValkey }, () => {
  test('returns texts to another process until they are deleted or expire', async () => {
    await using server = await startValkey();
    const connections = [await connectValkey(server.url), await connectValkey(server.url)];
    try {
      const [first, second] = connections.map((connection) => new ValkeyTextStore(connection, roomy));
      const [shortLived] = connections.map((connection) => new ValkeyTextStore(connection, { ...roomy, ttl: 30 }));
      assert.ok(first && second && shortLived);
      await first.put('alice', 'a', 'müßig');
      assert.equal(await second.get('alice', 'a'), 'müßig');
      assert.equal(await second.delete('alice', 'a'), true);
      assert.equal(await first.delete('alice', 'a'), false);
      assert.equal(await first.get('alice', 'a'), undefined);
      await shortLived.put('alice', 'b', 'expires soon');
      assert.equal(await first.get('alice', 'b'), 'expires soon');
      await until('it to expire', async () => (await first.get('alice', 'b')) === undefined);
    } finally {
      for (const connection of connections) connection.disconnect();
    }
  });

  test('bounds what each owner keeps, by number and by size', async () => {
    await using server = await startValkey();
    const connection = await connectValkey(server.url);
    try {
      const store = new ValkeyTextStore(connection, roomy);
      const kept = async (owner: string, ids: string): Promise<string> => {
        const texts = await Promise.all(ids.split('').map((id) => store.get(owner, id)));
        return ids
          .split('')
          .filter((_, index) => texts[index] !== undefined)
          .join('');
      };
      await store.put('bob', 'a', 'one');
      for (const id of 'abcd') await store.put('alice', id, id);
      assert.deepEqual([await kept('alice', 'abcd'), await kept('bob', 'a')], ['bcd', 'a']);
      // The third text is put again, which makes it the newest.
      await store.put('alice', 'c', 'x'.repeat(400));
      await store.put('alice', 'e', 'x'.repeat(400));
      assert.equal(await kept('alice', 'bcde'), 'cde');
      await store.put('alice', 'f', 'x'.repeat(900));
      assert.equal(await kept('alice', 'cdef'), 'f');
      assert.equal(await store.delete('alice', 'f'), true);
      for (const id of 'xy') await store.put('alice', id, 'x'.repeat(450));
      assert.deepEqual([await kept('alice', 'xy'), await kept('bob', 'a')], ['xy', 'a']);
    } finally {
      connection.disconnect();
    }
  });

  test('forgets expired texts of an owner who keeps more', async () => {
    await using server = await startValkey();
    const connection = await connectValkey(server.url);
    try {
      const store = new ValkeyTextStore(connection, { ...roomy, ttl: 50 });
      await store.put('alice', 'a', 'x'.repeat(900));
      await until('it to expire', async () => (await store.get('alice', 'a')) === undefined);
      await store.put('alice', 'b', 'x'.repeat(900));
      assert.equal((await store.get('alice', 'b'))?.length, 900);
      const sizes = await connection.hgetall('llamaduct:kept-sizes:alice');
      assert.equal(Object.keys(sizes).length, 2, 'the text and the sum');
    } finally {
      connection.disconnect();
    }
  });

  test('appends from two processes at the same time, within the bounds, and renews the text', async () => {
    await using server = await startValkey();
    const connections = [await connectValkey(server.url), await connectValkey(server.url)];
    try {
      const stores = connections.map((connection) => new ValkeyTextStore(connection, roomy));
      const [first, second] = stores;
      assert.ok(first && second);
      assert.equal(await first.append('alice', 'a', 'x'), 'absent');
      assert.equal(await first.get('alice', 'a'), undefined);
      for (const id of 'abc') await first.put('alice', id, '');
      await Promise.all(
        Array.from({ length: 20 }, async (_, index) => await stores[index % 2]?.append('alice', 'a', 'xy')),
      );
      assert.equal(await second.get('alice', 'a'), 'xy'.repeat(20));
      assert.equal(await first.append('alice', 'a', 'x'.repeat(961)), 'full');
      assert.equal(await second.get('alice', 'a'), 'xy'.repeat(20));
      // It is the newest text now, although all were stored in the same milliseconds.
      await first.put('alice', 'd', '');
      assert.deepEqual([await first.get('alice', 'b'), await first.get('alice', 'a')], [undefined, 'xy'.repeat(20)]);
      assert.equal(await first.append('alice', 'a', 'x'.repeat(960)), 'appended');
      assert.equal(await first.append('alice', 'c', 'x'), 'appended');
      assert.equal(await first.get('alice', 'a'), undefined, 'both together are too large');
    } finally {
      for (const connection of connections) connection.disconnect();
    }
  });

  test('rejects with store_unavailable at once while the server is down', async () => {
    await using server = await startValkey();
    const connection = await connectValkey(server.url);
    try {
      const store = new ValkeyTextStore(connection, roomy);
      await server.kill();
      await assert.rejects(
        store.get('alice', 'a'),
        (error) => error instanceof GatewayError && error.code === 'store_unavailable' && error.status === 503,
      );
    } finally {
      connection.disconnect();
    }
  });
});
