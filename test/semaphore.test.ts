import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Semaphore } from '../src/semaphore.ts';

const never = new AbortController().signal;

test('gives released slots to waiting tasks in FIFO order', async () => {
  const semaphore = new Semaphore(2, 10, 'Too many tasks.');
  const order: number[] = [];
  const tasks = [1, 2, 3, 4].map(async (task) => {
    await semaphore.acquire(never);
    order.push(task);
  });
  await Promise.all(tasks.slice(0, 2));
  assert.deepEqual(order, [1, 2]);
  semaphore.release();
  await tasks[2];
  assert.deepEqual(order, [1, 2, 3]);
  semaphore.release();
  await tasks[3];
  assert.deepEqual(order, [1, 2, 3, 4]);
});

test('keeps a released slot for the next task when none is waiting', async () => {
  const semaphore = new Semaphore(1, 0, 'Too many tasks.');
  for (let round = 0; round < 3; round += 1) {
    await semaphore.acquire(never);
    semaphore.release();
  }
});

test('gives no slot to an aborted task, and lets another one wait in its place', async () => {
  const semaphore = new Semaphore(1, 1, 'Too many tasks.');
  await semaphore.acquire(never);
  const controller = new AbortController();
  const aborted = semaphore.acquire(controller.signal);
  await assert.rejects(semaphore.acquire(never), { code: 'server_overloaded', status: 503, retryAfter: 2 });
  const reason = new Error('aborted');
  controller.abort(reason);
  await assert.rejects(aborted, (error) => error === reason);
  await assert.rejects(semaphore.acquire(controller.signal), (error) => error === reason);
  const next = semaphore.acquire(never);
  semaphore.release();
  await next;
});

test('lets owners take turns, and none fill all places to wait', async () => {
  const semaphore = new Semaphore(1, 4, 'Too many tasks.');
  await semaphore.acquire(never, 'a');
  const order: string[] = [];
  const wait = async (owner: string): Promise<void> => {
    await semaphore.acquire(never, owner);
    order.push(owner);
  };
  const waiting = [wait('a'), wait('a')];
  await assert.rejects(wait('a'), { code: 'server_overloaded', status: 503 });
  waiting.push(wait('b'));
  for (const _ of waiting) {
    semaphore.release();
    await new Promise(setImmediate);
  }
  await Promise.all(waiting);
  assert.deepEqual(order, ['a', 'b', 'a']);
});
