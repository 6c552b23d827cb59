import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { RetryBudget } from '../../src/pool/retry-budget.ts';

suite('the retry budget', () => {
  test('limits retries to its share of the requests, plus a reserve', () => {
    const budget = new RetryBudget(0.2);
    let granted = 0;
    const requests = 10_000;
    for (let count = 0; count < requests; count += 1) {
      budget.onRequest();
      // As with an upstream that answers nothing: each request wants two retries.
      for (let retry = 0; retry < 2; retry += 1) if (budget.tryRetry()) granted += 1;
    }
    assert.ok(granted <= requests * 0.2 + 100, `${granted}`);
    assert.ok(granted >= requests * 0.2, `${granted}`);
  });

  test('allows no retry with a share of 0', () => {
    const budget = new RetryBudget(0);
    for (let count = 0; count < 500; count += 1) budget.onRequest();
    assert.equal(budget.tryRetry(), false);
  });
});
