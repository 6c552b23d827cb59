import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GatewayError } from '../../src/errors.ts';
import { Health } from '../../src/upstreams/health.ts';
import { until } from '../helpers/wait.ts';

const unreachable = new GatewayError('upstream_unreachable', 'no');
async function fail(reason: GatewayError): Promise<never> {
  await Promise.resolve();
  throw reason;
}

function health(failures: number, recovery = 30): { health: Health; changes: boolean[] } {
  const changes: boolean[] = [];
  return { health: new Health({ failures, recovery, onChange: (up) => changes.push(up) }), changes };
}

test('failures in a row take an upstream out, and others do not', async () => {
  const { health: one, changes } = health(3);
  for (const error of [
    unreachable,
    unreachable,
    new GatewayError('upstream_error', 'a status of its own'),
    new GatewayError('model_load_failed', 'one model'),
    new GatewayError('invalid_value', 'a client'),
  ]) {
    await assert.rejects(
      one.watch(async () => await fail(error)),
      error,
    );
  }
  assert.equal(one.downFor, 0);
  await assert.rejects(
    one.watch(async () => await fail(unreachable)),
    unreachable,
  );
  assert.ok(one.downFor > 0);
  assert.deepEqual(changes, [false]);
});

test('an answer in between begins the count anew', async () => {
  const { health: one } = health(2);
  for (let count = 0; count < 5; count += 1) {
    await assert.rejects(one.watch(async () => await fail(unreachable)));
    assert.equal(await one.watch(async () => await Promise.resolve('well')), 'well');
  }
  assert.equal(one.downFor, 0);
});

test('one that is out is not asked, then tried once, and is back when it answers', async () => {
  const { health: one, changes } = health(1);
  await assert.rejects(one.watch(async () => await fail(unreachable)));
  let asked = 0;
  const ask = async (): Promise<string> => {
    asked += 1;
    return await Promise.resolve('well');
  };
  await assert.rejects(one.watch(ask), { code: 'upstream_down', status: 503 });
  assert.equal(asked, 0);
  await until('it to be tried', () => one.downFor === 0);
  assert.equal(await one.watch(ask), 'well');
  assert.deepEqual(changes, [false, true]);
});
