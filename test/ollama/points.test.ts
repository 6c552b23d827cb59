import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checks } from '../compare/checks.ts';
import { attempt } from '../compare/run.ts';
import { openLlamaduct } from '../compare/target.ts';
import { native, ollama } from './live.ts';

// The checks of `npm run compare`, as tests of llamaduct alone.
const { models } = await native<{ models: readonly { name: string }[] }>('/api/tags');
const names = new Set(models.map(({ name }) => name));
/** Milliseconds for a check; longer than in the comparison itself. */
const deadline = 60_000;

for (const check of checks) {
  test(`check ${check.number}: ${check.title}`, async () => {
    assert.deepEqual(await attempt(check, openLlamaduct, ollama, names, deadline), { result: 'passed' });
  });
}
