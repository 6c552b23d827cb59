import assert from 'node:assert/strict';
import { type TestContext, suite, test } from 'node:test';
import { type ErrorCode, GatewayError } from '../../src/errors.ts';
import { type ModelChange, ModelHealth } from '../../src/pool/models/model-health.ts';
import { skipTime } from '../helpers/clock.ts';

const own = (status: number, code: ErrorCode = 'upstream_error', retryAfter?: number): GatewayError =>
  new GatewayError(code, 'no', retryAfter === undefined ? {} : { retryAfter }).asAnswer(status, true);
const crashed = own(500);
const silent = new GatewayError('first_token_timeout', 'Nothing came.', { retryAfter: 5 });
const cause = new Error('reset');

function createModelHealth(failures = 3): { health: ModelHealth; changes: ModelChange[] } {
  const changes: ModelChange[] = [];
  const label = (model: string): string => model.replace(/:latest$/, '');
  return { health: new ModelHealth({ failures, label, onChange: (change) => changes.push(change) }), changes };
}

/** Sends requests that fail. */
function fail(health: ModelHealth, count = 1, error = crashed, model = 'm'): void {
  for (let sent = 0; sent < count; sent += 1) health.failed(model, health.begin(model), error);
}

function answer(health: ModelHealth, model = 'm'): void {
  const begun = health.begin(model);
  health.started(model, begun);
  health.succeeded(model, begun);
}

suite('a failure of a model', () => {
  for (const [name, error] of [
    ['a 500 of the server itself', crashed],
    ['a 500 of a proxy', new GatewayError('upstream_error', 'no').asAnswer(500, false)],
    ['a 503', own(503, 'upstream_busy', 5)],
    ['a model that cannot be loaded', own(500, 'model_load_failed')],
    ['a refusal of the own key', own(401)],
    ['a redirect', own(302)],
    ['an error within an answer', own(200)],
    ['a broken connection', new GatewayError('upstream_error', 'no', { cause })],
    ['an answer that stops early', new GatewayError('upstream_incomplete', 'no')],
    ['an answer that is not of its API', new GatewayError('upstream_protocol_error', 'no')],
    ['no first token', silent],
    ['no head', new GatewayError('upstream_timeout', 'no', { cause })],
    ['silence after the head', new GatewayError('upstream_idle_timeout', 'no', { cause })],
  ] as const) {
    test(`ejects it when it comes several times in a row: ${name}`, () => {
      const { health, changes } = createModelHealth();
      fail(health, 2, error);
      assert.equal(health.stateOf('m'), 'works');
      fail(health, 1, error);
      assert.notEqual(health.stateOf('m'), 'works');
      assert.deepEqual(changes, [{ model: 'm', ejected: true, error, failures: 3, ejectedFor: 0 }]);
    });
  }

  for (const [name, error] of [
    ['a 400', own(400, 'invalid_value')],
    ['a prompt that is too long', own(400, 'context_length_exceeded')],
    ['an unknown model', own(404, 'model_not_found')],
    ['a 429 for too many requests', own(429, 'upstream_busy', 1)],
    ['a 429 for a used-up quota', own(429)],
    ['a client that left', new GatewayError('client_closed', 'no')],
    ['a full queue', new GatewayError('queue_full', 'no')],
    ['a queue that was emptied', new GatewayError('upstream_down', 'no')],
    ['the end of the time for the whole answer', new GatewayError('total_timeout', 'no')],
    ['an answer that llamaduct does not accept', new GatewayError('upstream_error', 'no')],
    ['a bug of llamaduct', new GatewayError('internal_error', 'no', { cause })],
    ['a server that cannot be reached', new GatewayError('upstream_unreachable', 'no', { cause })],
    ['a certificate', new GatewayError('upstream_tls_error', 'no', { cause })],
  ] as const) {
    test(`is not: ${name}`, () => {
      const { health, changes } = createModelHealth();
      fail(health, 100, error);
      assert.notEqual(health.stateOf('m'), 'fails');
      assert.deepEqual(changes, []);
    });
  }

  test('concerns no other model, but every name of the same one', () => {
    const { health } = createModelHealth();
    fail(health, 2);
    fail(health, 1, crashed, 'm:latest');
    assert.equal(health.stateOf('m:latest'), 'fails');
    assert.equal(health.stateOf('other'), 'works');
  });

  test('is taken back by a success, so that now and then one does not eject', () => {
    const { health, changes } = createModelHealth();
    for (let round = 0; round < 10; round += 1) {
      fail(health, 2);
      answer(health);
      answer(health);
    }
    assert.deepEqual(changes, []);
  });

  test('counts when it comes within an answer', () => {
    const { health } = createModelHealth();
    for (let sent = 0; sent < 3; sent += 1) {
      const begun = health.begin('m');
      health.started('m', begun);
      health.failed('m', begun, new GatewayError('upstream_incomplete', 'no', { cause }));
    }
    assert.equal(health.stateOf('m'), 'fails');
  });
});

suite('an ejected model', () => {
  test('is tried after pauses that double up to half a minute, one trial at a time', (t) => {
    const { health } = createModelHealth();
    fail(health, 3);
    for (const pause of [1, 2, 4, 8, 16, 30, 30]) {
      skipTime(t, pause * 1000 - 100);
      assert.equal(health.isTrialDue('m'), false, `before ${pause} s`);
      skipTime(t, 200);
      assert.equal(health.isTrialDue('m'), true, `after ${pause} s`);
      const begun = health.begin('m');
      assert.equal(health.isTrialDue('m'), false);
      health.failed('m', begun, crashed);
    }
  });

  test('is back when an answer starts, with its duration, and out again as soon as that answer fails', (t) => {
    const { health, changes } = createModelHealth();
    fail(health, 3);
    skipTime(t, 1_000);
    const begun = health.begin('m');
    health.started('m', begun);
    assert.equal(health.stateOf('m'), 'works');
    assert.equal(changes.at(-1)?.ejected, false);
    assert.ok((changes.at(-1)?.ejectedFor ?? 0) >= 1_000);
    health.failed('m', begun, crashed);
    assert.equal(health.stateOf('m'), 'fails');
    skipTime(t, 1_500);
    assert.equal(health.isTrialDue('m'), false, 'the pause has not grown');
  });

  test('is forgotten once it has worked as often as it had failed', (t) => {
    const { health } = createModelHealth();
    fail(health, 3);
    skipTime(t, 1_000);
    for (let sent = 0; sent < 3; sent += 1) answer(health);
    fail(health, 2);
    assert.equal(health.stateOf('m'), 'works');
  });

  test('learns nothing from requests that were sent before its ejection', (t) => {
    const { health, changes } = createModelHealth();
    const [failing, answered] = [health.begin('m'), health.begin('m')];
    skipTime(t, 1);
    fail(health, 3);
    health.failed('m', failing, crashed);
    health.started('m', answered);
    assert.equal(health.stateOf('m'), 'fails');
    skipTime(t, 1_000);
    assert.equal(health.isTrialDue('m'), true, 'the pause has grown');
    assert.equal(changes.length, 1);
  });

  test('stays ejected after a trial that says nothing about it, and may be tried at once', (t) => {
    const { health } = createModelHealth();
    fail(health, 3);
    skipTime(t, 1_000);
    for (const error of [new GatewayError('client_closed', 'no'), own(400, 'invalid_value'), undefined]) {
      health.failed('m', health.begin('m'), error);
      assert.equal(health.stateOf('m'), 'fails');
      assert.equal(health.isTrialDue('m'), true);
    }
  });

  test('prefers to be asked where it has answered, if all servers eject it', (t) => {
    const { health, changes } = createModelHealth();
    fail(health, 3);
    skipTime(t, 1);
    answer(health);
    assert.equal(health.stateOf('m'), 'answers');
    fail(health);
    assert.equal(health.stateOf('m'), 'fails');
    assert.equal(changes.length, 1);
  });

  test('that is silent is refused with its own error until it is tried', () => {
    const { health } = createModelHealth();
    fail(health, 3, silent);
    assert.equal(health.stateOf('m'), 'silent');
    const refusal = health.refusal('m');
    assert.deepEqual(
      [refusal?.code, refusal?.status, refusal?.message, refusal?.retryAfter],
      ['first_token_timeout', 504, 'Nothing came.', 1],
    );
    assert.equal(health.refusal('other'), undefined);
  });
});

suite('a probe', () => {
  const ejected = (t: TestContext): ReturnType<typeof createModelHealth> => {
    const created = createModelHealth();
    fail(created.health, 3, silent);
    skipTime(t, 1_000);
    return created;
  };

  test('brings a model back', async (t) => {
    const { health, changes } = ejected(t);
    await health.probe('m', async () => await Promise.resolve());
    assert.equal(health.stateOf('m'), 'works');
    assert.deepEqual(
      changes.map(({ ejected: isOut }) => isOut),
      [true, false],
    );
  });

  test('that fails makes the pause longer', async (t) => {
    const { health } = ejected(t);
    await health.probe('m', async () => await Promise.reject(silent));
    assert.equal(health.isTrialDue('m'), false);
    assert.equal(health.refusesProbes('m'), false);
  });

  test('that is refused leaves the trial to a request of a client', async (t) => {
    const { health } = ejected(t);
    await health.probe('m', async () => await Promise.reject(own(400, 'invalid_value')));
    assert.equal(health.stateOf('m'), 'silent');
    assert.equal(health.refusesProbes('m'), true);
    assert.equal(health.isTrialDue('m'), true);
  });
});

test('a server whose quota is used up rests for a minute', (t) => {
  const { health } = createModelHealth();
  fail(health, 1, own(429));
  skipTime(t, 59_000);
  assert.equal(health.stateOf('m'), 'rests');
  skipTime(t, 2_000);
  assert.equal(health.stateOf('m'), 'works');
});

test('a server that asks for fewer requests rests for its Retry-After', (t) => {
  const { health, changes } = createModelHealth();
  fail(health, 1, own(429, 'upstream_busy', 7));
  assert.equal(health.stateOf('m'), 'rests');
  answer(health);
  skipTime(t, 6_000);
  assert.equal(health.stateOf('m'), 'rests');
  skipTime(t, 2_000);
  assert.equal(health.stateOf('m'), 'works');
  assert.deepEqual(changes, []);
});
