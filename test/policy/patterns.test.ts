import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { matches, toPattern } from '../../src/policy/patterns.ts';

suite('a pattern for model names', () => {
  for (const [pattern, name, expected] of [
    ['*', '', true],
    ['a*', 'a', true],
    ['a*a', 'a', false],
    ['*:4b', 'qwen3:4b', true],
    ['q*3*b', 'qwen3:4b', true],
    ['q*3*4b*b', 'qwen3:4b', false],
    ['Llama3', 'llama3:LATEST', true],
    ['a.c', 'abc', false],
  ] as const) {
    test(`${expected ? 'matches' : 'does not match'} this name: ${pattern} and "${name}"`, () => {
      assert.equal(matches(toPattern(pattern), name), expected);
    });
  }

  test('takes a time in proportion to the length of the name', () => {
    assert.equal(matches(toPattern('*a*a*a*a*a*b'), 'a'.repeat(1_000_000)), false);
  });
});
