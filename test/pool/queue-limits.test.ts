import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { testGateway } from '../helpers/gateway.ts';
import { heldUpstream } from '../helpers/held-upstream.ts';
import { until } from '../helpers/wait.ts';
import { assertFree, chat, depth, endpoints, logLine, oneSlot, post, queued, whole } from './queue-client.ts';

suite('the limits of the queue', { concurrency: 4 }, () => {
  for (const { path, body, busyStatus, errorIn } of endpoints) {
    test(`give a 429 when the key has too many queued requests, a ${busyStatus} when all keys have: ${path}`, async () => {
      await using upstream = await heldUpstream();
      await using gateway = await testGateway(upstream, { ...oneSlot, queue: { waiting: 2, waiting_per_key: 1 } });
      const accepted = [chat(gateway, 'y', 'first')];
      await until('the first request', () => upstream.held === 1);
      accepted.push(chat(gateway, 'x', 'second'));
      await queued(gateway, 1);
      const fullForKey = await post(gateway, path, body('refused'));
      accepted.push(chat(gateway, 'y', 'third'));
      await queued(gateway, 2);
      const unknownKey = await post(gateway, path, body('refused'), 'z');
      assert.deepEqual([fullForKey.status, unknownKey.status], [429, 401]);
      const init = { method: 'POST', body: JSON.stringify({ model: 'scripted-plain', ...body('refused') }) };
      const fullForAll = await whole(await gateway.fetch(path, init));
      assert.equal(fullForAll.status, busyStatus);
      for (const { text, headers } of [fullForKey, fullForAll]) {
        const seconds = Number(headers.get('retry-after'));
        assert.ok(Number.isInteger(seconds) && seconds >= 1 && seconds <= 60, `retry-after: ${seconds}`);
        const error = errorIn(JSON.parse(text));
        assert.match(String(error), /^(queue_full|rate_limit_error|overloaded_error|Too many requests .*)$/);
      }
      assert.equal(await gateway.metric(depth), 2);
      upstream.flow();
      for (const answer of accepted) assert.equal((await answer).status, 200);
      assert.ok(!upstream.order.includes('refused'));
      await assertFree(gateway, upstream);
    });

    test(`give a ${busyStatus} when the wait takes longer than \`timeouts.queue\`: ${path}`, async () => {
      await using upstream = await heldUpstream();
      await using gateway = await testGateway(upstream, { ...oneSlot, timeouts: { queue: '60ms' } });
      const first = chat(gateway, 'y', 'first');
      await until('the first request', () => upstream.held === 1);
      const late = await post(gateway, path, body('late'));
      assert.equal(late.status, busyStatus);
      assert.ok(Number(late.headers.get('retry-after')) >= 1);
      assert.match(
        String(errorIn(JSON.parse(late.text))),
        /^(queue_timeout|overloaded_error|The request waited too long.*)$/,
      );
      assert.equal((await logLine(gateway, 'server_error'))['error'], 'queue_timeout');
      upstream.flow();
      assert.equal((await first).status, 200);
      await assertFree(gateway, upstream);
      assert.ok(!upstream.order.includes('late'));
    });
  }
});
