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

/** @param interval 0: without probes */
function createHealth(failures: number, interval = 0, recovery = 30): { health: Health; changes: boolean[] } {
  const changes: boolean[] = [];
  const health = new Health({ failures, interval, recovery, onChange: (up) => changes.push(up) });
  return { health, changes };
}

async function fail(health: Health, reason: unknown = unreachable): Promise<void> {
  await assert.rejects(health.track(failing(reason)), (thrown) => thrown === reason);
}

test('consecutive failures eject an upstream, other errors do not', async () => {
  const { health, changes } = createHealth(3);
  for (const error of [
    unreachable,
    unreachable,
    new GatewayError('upstream_error', 'a status of its own').asAnswer(500, true),
    new GatewayError('upstream_busy', 'a status of its own').asAnswer(503, true),
    new GatewayError('model_load_failed', 'one model').asAnswer(500, true),
    new GatewayError('invalid_value', 'a client').asAnswer(400, false),
    new GatewayError('client_closed', 'nobody'),
  ]) {
    await fail(health, error);
  }
  assert.equal(health.retryInMs, 0);
  await fail(health);
  assert.ok(health.retryInMs > 0);
  assert.deepEqual(changes, [false]);
});

for (const status of [500, 502, 503, 504]) {
  test(`a ${status} of a proxy in front of the upstream is a failure, one of the upstream itself is not`, async () => {
    const { health } = createHealth(1);
    await fail(health, new GatewayError('upstream_error', 'one model').asAnswer(status, true));
    assert.equal(health.retryInMs, 0);
    await fail(health, new GatewayError('upstream_error', 'gone').asAnswer(status, false));
    assert.ok(health.retryInMs > 0);
  });
}

test('an answer resets the count of consecutive failures', async () => {
  const { health } = createHealth(2);
  for (let count = 0; count < 5; count += 1) {
    await fail(health);
    assert.equal(await health.track(answer), 'well');
  }
  assert.equal(health.retryInMs, 0);
});

suite('an ejected upstream without probes', () => {
  test('gets no requests, then a trial request, and is back when that is answered', async () => {
    const { health, changes } = createHealth(1);
    await fail(health);
    let sent = 0;
    const send = async (): Promise<string> => {
      sent += 1;
      return await answer();
    };
    await assert.rejects(health.track(send), { code: 'upstream_down', status: 503 });
    assert.equal(sent, 0);
    await until('the recovery time', () => health.retryInMs === 0);
    assert.equal(await health.track(send), 'well');
    assert.deepEqual(changes, [false, true]);
  });

  test('gets one trial request at a time, and refuses others at once', async () => {
    const { health, changes } = createHealth(1, 0, 0);
    await fail(health);
    const { promise, resolve } = Promise.withResolvers<string>();
    const trial = health.track(async () => await promise);
    assert.ok(health.retryInMs > 0);
    await assert.rejects(health.track(answer), { code: 'upstream_down' });
    resolve('late');
    assert.equal(await trial, 'late');
    assert.equal(health.retryInMs, 0);
    assert.deepEqual(changes, [false, true]);
  });

  test('stays ejected, for no longer, after a trial that says nothing about it', async () => {
    const { health, changes } = createHealth(1, 0, 0);
    await fail(health);
    for (const code of ['client_closed', 'total_timeout', 'queue_full', 'shutting_down'] as const) {
      await fail(health, new GatewayError(code, 'ours'));
      assert.deepEqual(changes, [false], code);
    }
    await fail(health, new GatewayError('invalid_value', 'it answers').asAnswer(400, true));
    assert.deepEqual(changes, [false, true]);
  });
});

suite('an upstream with probes', () => {
  test('is back after a probe, not after a request', async () => {
    const { health, changes } = createHealth(1, 1);
    const { promise, resolve } = Promise.withResolvers<string>();
    const underWay = health.track(async () => await promise);
    await fail(health);
    resolve('from before');
    await underWay;
    await sleep(5);
    assert.ok(health.retryInMs > 0);
    await assert.rejects(health.track(answer), { code: 'upstream_down' });
    await health.probe(answer);
    assert.equal(health.retryInMs, 0);
    assert.deepEqual(changes, [false, true]);
  });

  test('is ejected by failed probes, whatever their error', async () => {
    const { health } = createHealth(2, 10_000);
    for (const error of [new GatewayError('upstream_protocol_error', 'a page'), new TypeError('anything')]) {
      assert.equal(health.retryInMs, 0);
      await assert.rejects(health.probe(failing(error)), error);
    }
    assert.ok(health.retryInMs > 0);
  });

  test('is ejected by consecutive failures even if probes succeed in between', async () => {
    const { health } = createHealth(2, 10_000);
    await fail(health);
    await health.probe(answer);
    await fail(health);
    assert.ok(health.retryInMs > 0);
  });

  test('is probed soon after its ejection, then with exponential backoff up to the interval', async () => {
    const { health } = createHealth(1, 10_000);
    assert.equal(health.nextProbeInMs, 10_000);
    await fail(health);
    const pauses = [health.nextProbeInMs];
    for (let count = 0; count < 5; count += 1) {
      await assert.rejects(health.probe(failing(unreachable)));
      pauses.push(health.nextProbeInMs);
    }
    assert.deepEqual(pauses, [1_000, 2_000, 4_000, 8_000, 10_000, 10_000]);
    // A probe succeeds, then a request fails: the backoff goes on.
    await health.probe(answer);
    await fail(health);
    assert.equal(health.nextProbeInMs, 10_000);
    await health.probe(answer);
    await health.track(answer);
    await fail(health);
    assert.equal(health.nextProbeInMs, 1_000);
  });
});
