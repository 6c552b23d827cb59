import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { GatewayError } from '../../src/errors.ts';
import { ValkeyTextStore, connectValkey } from '../../src/store/valkey.ts';
import { noValkey, startValkey } from '../helpers/valkey.ts';
import { until } from '../helpers/wait.ts';

suite('texts kept in Valkey', { skip: noValkey }, () => {
  test('are there for another process until they are deleted or their time is over', async () => {
    await using server = await startValkey();
    const connections = [await connectValkey(server.url), await connectValkey(server.url)];
    try {
      const [one, other] = connections.map((connection) => new ValkeyTextStore(connection, 60_000));
      const [brief] = connections.map((connection) => new ValkeyTextStore(connection, 30));
      assert.ok(one && other && brief);
      await one.put('a', 'müßig');
      assert.equal(await other.get('a'), 'müßig');
      assert.equal(await other.delete('a'), true);
      assert.equal(await one.delete('a'), false);
      assert.equal(await one.get('a'), undefined);
      await brief.put('b', 'soon gone');
      assert.equal(await one.get('b'), 'soon gone');
      await until('it to be forgotten', async () => (await one.get('b')) === undefined);
    } finally {
      for (const connection of connections) connection.disconnect();
    }
  });

  test('are told to be out of reach at once where the server is gone', async () => {
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
