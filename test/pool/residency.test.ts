import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Upstreams } from '../../src/config/schema.ts';
import { testGateway } from '../helpers/gateway.ts';
import { until } from '../helpers/wait.ts';
import { boxes, said } from './boxes.ts';
import { heldUpstream } from './held-upstream.ts';

const model = 'scripted-plain:latest';
const settings = { health: { interval: '20ms' }, timeouts: { grace: '50ms' } };

test('without queues, a request goes where its model is in memory, until that one has much to do', async () => {
  await using cold = await heldUpstream();
  await using warm = await heldUpstream();
  warm.loaded = [model];
  await using gateway = await testGateway(boxes([cold, warm]), settings);
  await until('both to be looked at', () => [cold, warm].every(({ requests }) => requests.length > 1));
  const few = Array.from({ length: 6 }, async (_, count) => await said(gateway, `conversation ${count}`));
  await until('all to be asked', () => cold.held + warm.held === 6);
  assert.deepEqual([cold.held, warm.held], [0, 6]);
  const many = Array.from({ length: 34 }, async (_, count) => await said(gateway, `another ${count}`));
  await until('all to be asked', () => cold.held + warm.held === 40);
  assert.ok(cold.held > 10 && warm.held > 10, `${cold.held} and ${warm.held}`);
  cold.flow();
  warm.flow();
  await Promise.all([...few, ...many]);
});

test('without queues, those that have the model in memory share it as before', async () => {
  await using one = await heldUpstream();
  await using two = await heldUpstream();
  one.loaded = two.loaded = [model];
  await using gateway = await testGateway(boxes([one, two]), settings);
  await until('both to be looked at', () => [one, two].every(({ requests }) => requests.length > 1));
  const all = Array.from({ length: 40 }, async (_, count) => await said(gateway, `conversation ${count}`));
  await until('all to be asked', () => one.held + two.held === 40);
  assert.ok(Math.abs(one.held - two.held) <= 12, `${one.held} and ${two.held}`);
  one.flow();
  two.flow();
  await Promise.all(all);
});

test('the one without a queue does not get everything', async () => {
  await using without = await heldUpstream();
  await using queued = await heldUpstream();
  const [first, second] = boxes([without, queued]);
  const upstreams: Upstreams = [first, { ...(second ?? first), parallel: 8 }];
  // The model is in nobody's memory.
  await using gateway = await testGateway(upstreams, settings);
  await until('both to be looked at', () => [without, queued].every(({ requests }) => requests.length > 1));
  const all = Array.from({ length: 60 }, async (_, count) => await said(gateway, `conversation ${count}`));
  await until(
    'all to be somewhere',
    async () => without.held + queued.held + (await gateway.metric('llamaduct_queue_depth{upstream="second"}')) === 60,
  );
  assert.equal(queued.held, 8);
  assert.ok(without.held > 15 && without.held < 45, `${without.held}`);
  without.flow();
  queued.flow();
  await Promise.all(all);
});
