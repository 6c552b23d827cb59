import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseExact } from '../../src/framing/json.ts';

test('numbers keep every digit they came with', () => {
  for (const text of [
    '{"id":9007199254740993}',
    '[1e21,1.10,-0,0.1,1E5,123456789012345678901234567890]',
    '12345678901234567890',
  ]) {
    assert.equal(JSON.stringify(parseExact(text)), text);
  }
});

test('everything else is what JSON.parse gives', () => {
  fc.assert(
    fc.property(fc.json(), (text) => {
      assert.deepEqual(JSON.parse(JSON.stringify(parseExact(text))), JSON.parse(text));
    }),
  );
});

test('what is not JSON throws', () => {
  assert.throws(() => parseExact('{"a":'), SyntaxError);
});
