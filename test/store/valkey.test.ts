import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { GatewayError } from '../../src/errors.ts';
import { ValkeyTextStore, connectValkey } from '../../src/store/valkey.ts';
import { noValkey, startValkey } from '../helpers/valkey.ts';
import { until } from '../helpers/wait.ts';

suite('ValkeyTextStore', { skip: noValkey }, () => {
  test('returns texts to another process until they are deleted or expire', async () => {
    await using server = await startValkey();
    const connections = [await connectValkey(server.url), await connectValkey(server.url)];
    try {
      const [first, second] = connections.map((connection) => new ValkeyTextStore(connection, 60_000));
      const [shortLived] = connections.map((connection) => new ValkeyTextStore(connection, 30));
      assert.ok(first && second && shortLived);
      await first.put('a', 'müßig');
      assert.equal(await second.get('a'), 'müßig');
      assert.equal(await second.delete('a'), true);
      assert.equal(await first.delete('a'), false);
      assert.equal(await first.get('a'), undefined);
      await shortLived.put('b', 'expires soon');
      assert.equal(await first.get('b'), 'expires soon');
      await until('it to expire', async () => (await first.get('b')) === undefined);
    } finally {
      for (const connection of connections) connection.disconnect();
    }
  });

  test('rejects with store_unavailable at once while the server is down', async () => {
    await using server = await startValkey();
    const connection = await connectValkey(server.url);
    try {
      const store = new ValkeyTextStore(connection, 60_000);
      await server.kill();
      await assert.rejects(
        store.get('a'),
        (error) => error instanceof GatewayError && error.code === 'store_unavailable' && error.status === 503,
      );
    } finally {
      connection.disconnect();
    }
  });
});
