import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { ToolSupport } from '../../src/pool/models/tool-support.ts';

suite('models that refused tools', () => {
  test('are remembered for ten minutes', () => {
    let now = 0;
    const support = new ToolSupport(
      () => undefined,
      () => now,
    );
    assert.equal(support.lacks('a'), false);
    support.refused('a');
    now = 599_999;
    assert.equal(support.lacks('a'), true);
    assert.equal(support.lacks('b'), false);
    now = 600_000;
    assert.equal(support.lacks('a'), false);
  });

  test('are forgotten when they change, but not when they are listed for the first time', () => {
    let modified: number | undefined;
    const support = new ToolSupport(() => (modified === undefined ? undefined : { name: 'a', modified }));
    support.refused('a');
    modified = 1;
    assert.equal(support.lacks('a'), true);
    modified = 2;
    assert.equal(support.lacks('a'), false);
  });

  test('are bounded: the oldest is forgotten first', () => {
    const support = new ToolSupport(() => undefined);
    for (let number = 0; number < 300; number += 1) support.refused(`model-${number}`);
    assert.equal(support.lacks('model-0'), false);
    assert.equal(support.lacks('model-299'), true);
  });
});
