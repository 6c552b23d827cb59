import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RetryBudget } from '../../src/pool/retry-budget.ts';

test('what is asked again stays within its share of what is asked, but for a reserve', () => {
  const budget = new RetryBudget(0.2);
  let granted = 0;
  const requests = 10_000;
  for (let count = 0; count < requests; count += 1) {
    budget.onRequest();
    // An upstream that answers nothing: everybody would like to try again, twice.
    for (let again = 0; again < 2; again += 1) if (budget.tryRetry()) granted += 1;
  }
  assert.ok(granted <= requests * 0.2 + 100, `${granted}`);
  assert.ok(granted >= requests * 0.2, `${granted}`);
});

test('a share of nothing is nothing', () => {
  const budget = new RetryBudget(0);
  for (let count = 0; count < 500; count += 1) budget.onRequest();
  assert.equal(budget.tryRetry(), false);
});
