import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Turns } from '../../src/http/turns.ts';
import { until } from '../helpers/wait.ts';

/** Blocks the event loop. */
function block(milliseconds: number): void {
  const end = performance.now() + milliseconds;
  while (performance.now() < end);
}

suite('Turns', () => {
  test('lets bodies start at once while the turn is short', () => {
    const turns = new Turns();
    for (let count = 0; count < 100; count += 1) assert.equal(turns.wait('a', 1), undefined);
  });

  test('lets bodies wait for the next turn once the others took too long, and owners take turns', async () => {
    const turns = new Turns();
    const order: string[] = [];
    assert.equal(turns.wait('a', 1), undefined);
    block(60);
    const waiting = ['a1', 'a2', 'a3', 'b1'].map(async (name) => {
      await turns.wait(name.slice(0, 1), 1);
      order.push(name);
      block(60);
    });
    assert.deepEqual(order, []);
    await Promise.all(waiting);
    assert.deepEqual(order, ['a1', 'b1', 'a2', 'a3']);
    await nextTurn();
    await nextTurn();
    assert.equal(turns.wait('a', 1), undefined);
  });

  test('lets other work run between bodies that each block the event loop', async () => {
    const turns = new Turns();
    let started = 0;
    const seen: number[] = [];
    const timer = setInterval(() => seen.push(started), 1);
    const body = async (): Promise<void> => {
      await turns.wait('a', 1);
      started += 1;
      block(60);
    };
    const first = body();
    block(60);
    await Promise.all([first, ...Array.from({ length: 5 }, body)]);
    clearInterval(timer);
    assert.ok(new Set(seen).size >= 4, `the timer saw ${seen.join(', ')}`);
  });

  test('starts expensive bodies one after the other, the next owner first', async () => {
    const turns = new Turns();
    const order: string[] = [];
    assert.equal(turns.wait('a', 20), undefined);
    for (const name of ['a1', 'a2', 'b1']) {
      void turns.wait(name.slice(0, 1), 20)?.then(() => order.push(name));
    }
    assert.equal(turns.wait('c', 1), undefined, 'others do not wait for them');
    await until('all of them', () => order.length === 3);
    assert.deepEqual(order, ['a1', 'b1', 'a2']);
  });
});
