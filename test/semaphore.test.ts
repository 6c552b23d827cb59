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
