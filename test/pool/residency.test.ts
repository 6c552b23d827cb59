import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { Upstreams } from '../../src/config/schema.ts';
import { testGateway } from '../helpers/gateway.ts';
import { type HeldUpstream, heldUpstream } from '../helpers/held-upstream.ts';
import { until } from '../helpers/wait.ts';
import { chatText, queueDepth, upstreamsAt } from './upstreams.ts';

const model = 'scripted-plain:latest';
const settings = { health: { interval: '20ms' }, timeouts: { grace: '50ms' } };

/** Waits until the health checks have read the loaded models of each. */
async function healthChecks(...upstreams: readonly HeldUpstream[]): Promise<void> {
  await until('health checks', () => upstreams.every(({ requests }) => requests.length > 1));
}

suite('upstreams without a queue', () => {
  test('get requests for a model that they have loaded, until they are busy', async () => {
    await using cold = await heldUpstream();
    await using warm = await heldUpstream();
    warm.loaded = [model];
    await using gateway = await testGateway(upstreamsAt([cold, warm]), settings);
    await healthChecks(cold, warm);
    const few = Array.from({ length: 6 }, async (_, count) => await chatText(gateway, `conversation ${count}`));
    await until('six requests', () => cold.held + warm.held === 6);
    assert.deepEqual([cold.held, warm.held], [0, 6]);
    const many = Array.from({ length: 34 }, async (_, count) => await chatText(gateway, `other conversation ${count}`));
    await until('forty requests', () => cold.held + warm.held === 40);
    assert.ok(cold.held > 10 && warm.held > 10, `${cold.held} and ${warm.held}`);
    cold.flow();
    warm.flow();
    await Promise.all([...few, ...many]);
  });

  test('share the requests for a model that both have loaded', async () => {
    await using first = await heldUpstream();
    await using second = await heldUpstream();
    first.loaded = second.loaded = [model];
    await using gateway = await testGateway(upstreamsAt([first, second]), settings);
    await healthChecks(first, second);
    const all = Array.from({ length: 40 }, async (_, count) => await chatText(gateway, `conversation ${count}`));
    await until('forty requests', () => first.held + second.held === 40);
    assert.ok(Math.abs(first.held - second.held) <= 12, `${first.held} and ${second.held}`);
    first.flow();
    second.flow();
    await Promise.all(all);
  });

  test('do not get all requests beside one with a queue', async () => {
    await using without = await heldUpstream();
    await using queued = await heldUpstream();
    const [first, second] = upstreamsAt([without, queued]);
    const upstreams: Upstreams = [first, { ...(second ?? first), parallel: 8 }];
    // Neither has the model loaded.
    await using gateway = await testGateway(upstreams, settings);
    await healthChecks(without, queued);
    const all = Array.from({ length: 60 }, async (_, count) => await chatText(gateway, `conversation ${count}`));
    await until(
      'sixty requests',
      async () => without.held + queued.held + (await queueDepth(gateway, 'second')) === 60,
    );
    assert.equal(queued.held, 8);
    assert.ok(without.held > 15 && without.held < 45, `${without.held}`);
    without.flow();
    queued.flow();
    await Promise.all(all);
  });
});
