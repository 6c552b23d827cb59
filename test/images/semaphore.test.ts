import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Semaphore } from '../../src/images/semaphore.ts';

const never = new AbortController().signal;

test('turns are given in the order they were asked for, as they are released', async () => {
  const turns = new Semaphore(2, 10);
  const order: number[] = [];
  const takers = [1, 2, 3, 4].map(async (taker) => {
    await turns.acquire(never);
    order.push(taker);
  });
  await Promise.all(takers.slice(0, 2));
  assert.deepEqual(order, [1, 2]);
  turns.release();
  await takers[2];
  assert.deepEqual(order, [1, 2, 3]);
  turns.release();
  await takers[3];
  assert.deepEqual(order, [1, 2, 3, 4]);
});

test('a turn that nobody waited for is there for the next', async () => {
  const turns = new Semaphore(1, 0);
  for (let round = 0; round < 3; round += 1) {
    await turns.acquire(never);
    turns.release();
  }
});

test('who leaves takes no turn and makes room for another to wait', async () => {
  const turns = new Semaphore(1, 1);
  await turns.acquire(never);
  const leaver = new AbortController();
  const left = turns.acquire(leaver.signal);
  await assert.rejects(turns.acquire(never), { code: 'server_overloaded', status: 503, retryAfter: 2 });
  const reason = new Error('left');
  leaver.abort(reason);
  await assert.rejects(left, (error) => error === reason);
  await assert.rejects(turns.acquire(leaver.signal), (error) => error === reason);
  const next = turns.acquire(never);
  turns.release();
  await next;
});
