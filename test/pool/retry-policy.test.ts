import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { retryTarget, isConnectionLost } from '../../src/pool/retry-policy.ts';
import { type ErrorCode, GatewayError } from '../../src/errors.ts';

const cause = new Error('reset');

suite('the retry policy', () => {
  test('retries a failed connection on any upstream', () => {
    for (const code of ['upstream_unreachable', 'upstream_error', 'upstream_incomplete'] as const) {
      const error = new GatewayError(code, 'gone', { cause, retryAfter: 5 });
      assert.deepEqual([retryTarget(error), isConnectionLost(error)], ['any', true], code);
    }
  });

  test("decides by the upstream's own status, not by the one that the client gets", () => {
    const answered = (code: ErrorCode, status: number, retryAfter?: number): GatewayError =>
      new GatewayError(code, 'no', retryAfter === undefined ? {} : { retryAfter }).asAnswer(status, true);
    for (const [error, target] of [
      [answered('upstream_error', 500, 2), 'any'],
      [answered('upstream_busy', 503, 5), 'any'],
      [answered('upstream_error', 302, 2), 'other'],
      [answered('model_load_failed', 500), 'other'],
      [answered('model_not_found', 404), 'other'],
      [answered('upstream_error', 401, 2), undefined],
      [answered('upstream_error', 503), undefined],
      [answered('upstream_busy', 429, 5), undefined],
      [answered('invalid_value', 400), undefined],
    ] as const) {
      assert.equal(retryTarget(error), target, `${error.code} for ${error.answered?.status}`);
      assert.equal(isConnectionLost(error), false);
    }
  });

  test('does not retry an error of llamaduct itself', () => {
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
});
