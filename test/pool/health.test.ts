import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { GatewayError } from '../../src/errors.ts';
import { Health } from '../../src/pool/health.ts';
import { until } from '../helpers/wait.ts';

const unreachable = new GatewayError('upstream_unreachable', 'no');
const answer = async (): Promise<string> => await Promise.resolve('well');
const failing = (reason: unknown) => async (): Promise<never> => {
  await Promise.resolve();
  throw reason;
};

/** @param interval 0 where nobody looks */
function health(failures: number, interval = 0, recovery = 30): { health: Health; changes: boolean[] } {
  const changes: boolean[] = [];
  const one = new Health({ failures, interval, recovery, onChange: (up) => changes.push(up) });
  return { health: one, changes };
}

async function fail(one: Health, reason: unknown = unreachable): Promise<void> {
  await assert.rejects(one.track(failing(reason)), (thrown) => thrown === reason);
}

test('failures in a row take an upstream out, and others do not', async () => {
  const { health: one, changes } = health(3);
  for (const error of [
    unreachable,
    unreachable,
    new GatewayError('upstream_error', 'a status of its own').asAnswer(500, true),
    new GatewayError('upstream_busy', 'a status of its own').asAnswer(503, true),
    new GatewayError('model_load_failed', 'one model').asAnswer(500, true),
    new GatewayError('invalid_value', 'a client').asAnswer(400, false),
    new GatewayError('client_closed', 'nobody'),
  ]) {
    await fail(one, error);
  }
  assert.equal(one.retryInMs, 0);
  await fail(one);
  assert.ok(one.retryInMs > 0);
  assert.deepEqual(changes, [false]);
});

for (const status of [500, 502, 503, 504]) {
  test(`a ${status} of something in front of it is a failure, one in its own words is not`, async () => {
    const { health: one } = health(1);
    await fail(one, new GatewayError('upstream_error', 'one model').asAnswer(status, true));
    assert.equal(one.retryInMs, 0);
    await fail(one, new GatewayError('upstream_error', 'gone').asAnswer(status, false));
    assert.ok(one.retryInMs > 0);
  });
}

test('an answer in between begins the count anew', async () => {
  const { health: one } = health(2);
  for (let count = 0; count < 5; count += 1) {
    await fail(one);
    assert.equal(await one.track(answer), 'well');
  }
  assert.equal(one.retryInMs, 0);
});

suite('one that nobody looks at', () => {
  test('is not asked while it is out, then tried, and is back when it answers', async () => {
    const { health: one, changes } = health(1);
    await fail(one);
    let asked = 0;
    const ask = async (): Promise<string> => {
      asked += 1;
      return await answer();
    };
    await assert.rejects(one.track(ask), { code: 'upstream_down', status: 503 });
    assert.equal(asked, 0);
    await until('it to be tried', () => one.retryInMs === 0);
    assert.equal(await one.track(ask), 'well');
    assert.deepEqual(changes, [false, true]);
  });

  test('is tried by one request at a time, for which no other waits', async () => {
    const { health: one, changes } = health(1, 0, 0);
    await fail(one);
    const { promise, resolve } = Promise.withResolvers<string>();
    const trial = one.track(async () => await promise);
    assert.ok(one.retryInMs > 0);
    await assert.rejects(one.track(answer), { code: 'upstream_down' });
    resolve('late');
    assert.equal(await trial, 'late');
    assert.equal(one.retryInMs, 0);
    assert.deepEqual(changes, [false, true]);
  });

  test('is neither back nor out for longer by a trial that tells nothing of it', async () => {
    const { health: one, changes } = health(1, 0, 0);
    await fail(one);
    for (const code of ['client_closed', 'total_timeout', 'queue_full', 'shutting_down'] as const) {
      await fail(one, new GatewayError(code, 'ours'));
      assert.deepEqual(changes, [false], code);
    }
    await fail(one, new GatewayError('invalid_value', 'it answers').asAnswer(400, true));
    assert.deepEqual(changes, [false, true]);
  });
});

suite('one that is looked at', () => {
  test('is back by a look, and by no request', async () => {
    const { health: one, changes } = health(1, 1);
    const { promise, resolve } = Promise.withResolvers<string>();
    const underWay = one.track(async () => await promise);
    await fail(one);
    resolve('from before');
    await underWay;
    await sleep(5);
    assert.ok(one.retryInMs > 0);
    await assert.rejects(one.track(answer), { code: 'upstream_down' });
    await one.probe(answer);
    assert.equal(one.retryInMs, 0);
    assert.deepEqual(changes, [false, true]);
  });

  test('is out by looks that fail, whatever they fail with', async () => {
    const { health: one } = health(2, 10_000);
    for (const error of [new GatewayError('upstream_protocol_error', 'a page'), new TypeError('anything')]) {
      assert.equal(one.retryInMs, 0);
      await assert.rejects(one.probe(failing(error)), error);
    }
    assert.ok(one.retryInMs > 0);
  });

  test('has its failures in a row, however often looks at it succeed', async () => {
    const { health: one } = health(2, 10_000);
    await fail(one);
    await one.probe(answer);
    await fail(one);
    assert.ok(one.retryInMs > 0);
  });

  test('is looked at soon after it went out, and given longer each time, up to the interval', async () => {
    const { health: one } = health(1, 10_000);
    assert.equal(one.nextProbeInMs, 10_000);
    await fail(one);
    const pauses = [one.nextProbeInMs];
    for (let count = 0; count < 5; count += 1) {
      await assert.rejects(one.probe(failing(unreachable)));
      pauses.push(one.nextProbeInMs);
    }
    assert.deepEqual(pauses, [1_000, 2_000, 4_000, 8_000, 10_000, 10_000]);
    // It lists its models, and fails again: not a new beginning.
    await one.probe(answer);
    await fail(one);
    assert.equal(one.nextProbeInMs, 10_000);
    await one.probe(answer);
    await one.track(answer);
    await fail(one);
    assert.equal(one.nextProbeInMs, 1_000);
  });
});
