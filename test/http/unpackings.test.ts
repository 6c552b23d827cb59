import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createUnpackings } from '../../src/http/content-coding.ts';

test('at most two bodies are unpacked at a time, owners take turns, and a failure gives its place to the next', async () => {
  const unpackings = createUnpackings();
  const never = new AbortController().signal;
  const order: string[] = [];
  let [active, most] = [0, 0];
  const unpacked = async (owner: string, name: string): Promise<void> => {
    await unpackings.run(never, owner, async () => {
      order.push(name);
      active += 1;
      most = Math.max(most, active);
      await new Promise(setImmediate);
      active -= 1;
      if (name === 'a2') throw new Error('not gzip');
    });
  };
  const names = ['a1', 'a2', 'a3', 'a4', 'b1', 'c1'];
  const results = await Promise.allSettled(names.map(async (name) => await unpacked(name.slice(0, 1), name)));
  assert.deepEqual(order, ['a1', 'a2', 'a3', 'b1', 'c1', 'a4']);
  assert.equal(most, 2);
  assert.deepEqual(
    results.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled', 'fulfilled', 'fulfilled', 'fulfilled'],
  );
  await unpackings.run(never, 'd', async () => await Promise.resolve());
});
