import assert from 'node:assert/strict';
import { test } from 'node:test';
import { retryTarget, isConnectionLost } from '../../src/pool/retry-policy.ts';
import { type ErrorCode, GatewayError } from '../../src/errors.ts';

const cause = new Error('reset');

test('a connection that failed is lost, and asked again of anybody', () => {
  for (const code of ['upstream_unreachable', 'upstream_error', 'upstream_incomplete'] as const) {
    const error = new GatewayError(code, 'gone', { cause, retryAfter: 5 });
    assert.deepEqual([retryTarget(error), isConnectionLost(error)], ['any', true], code);
  }
});

test('what an upstream answered is asked again by what it said, not by what the client is told', () => {
  const said = (code: ErrorCode, status: number, retryAfter?: number): GatewayError =>
    new GatewayError(code, 'no', retryAfter === undefined ? {} : { retryAfter }).asAnswer(status, true);
  for (const [error, again] of [
    [said('upstream_error', 500, 2), 'any'],
    [said('upstream_busy', 503, 5), 'any'],
    [said('upstream_error', 302, 2), 'other'],
    [said('model_load_failed', 500), 'other'],
    [said('model_not_found', 404), 'other'],
    [said('upstream_error', 401, 2), undefined],
    [said('upstream_error', 503), undefined],
    [said('upstream_busy', 429, 5), undefined],
    [said('invalid_value', 400), undefined],
  ] as const) {
    assert.equal(retryTarget(error), again, `${error.code} for ${error.answered?.status}`);
    assert.equal(isConnectionLost(error), false);
  }
});

test('what is our own decision stands', () => {
  for (const code of [
    'upstream_error',
    'total_timeout',
    'queue_timeout',
    'shutting_down',
    'model_not_found',
  ] as const) {
    assert.equal(retryTarget(new GatewayError(code, 'ours', { retryAfter: 1 })), undefined, code);
  }
});
