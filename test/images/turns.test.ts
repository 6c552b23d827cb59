import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Turns } from '../../src/images/turns.ts';

const never = new AbortController().signal;

test('turns are given in the order they were asked for, as they are released', async () => {
  const turns = new Turns(2, 10);
  const order: number[] = [];
  const takers = [1, 2, 3, 4].map(async (taker) => {
    await turns.take(never);
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
  const turns = new Turns(1, 0);
  for (let round = 0; round < 3; round += 1) {
    await turns.take(never);
    turns.release();
  }
});

test('who leaves takes no turn and makes room for another to wait', async () => {
  const turns = new Turns(1, 1);
  await turns.take(never);
  const leaver = new AbortController();
  const left = turns.take(leaver.signal);
  await assert.rejects(turns.take(never), { code: 'server_overloaded', status: 503, retryAfter: 2 });
  const reason = new Error('left');
  leaver.abort(reason);
  await assert.rejects(left, (error) => error === reason);
  await assert.rejects(turns.take(leaver.signal), (error) => error === reason);
  const next = turns.take(never);
  turns.release();
  await next;
});
