import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { jsonLine, parseExact } from '../../src/framing/json.ts';

test('parseExact keeps every digit of numbers', () => {
  for (const text of [
    '{"id":9007199254740993}',
    '[1e21,1.10,-0,0.1,1E5,123456789012345678901234567890]',
    '12345678901234567890',
  ]) {
    assert.equal(JSON.stringify(parseExact(text)), text);
  }
});

test('parseExact parses everything else like JSON.parse', () => {
  fc.assert(
    fc.property(fc.json(), (text) => {
      assert.deepEqual(JSON.parse(JSON.stringify(parseExact(text))), JSON.parse(text));
    }),
  );
});

test('parseExact throws for text that is not JSON', () => {
  assert.throws(() => parseExact('{"a":'), SyntaxError);
});

test('jsonLine escapes line separators of any kind', () => {
  const text = 'a\u0085b\u2028c\u2029d\n\r\v\f\u001ce"\\';
  const line = jsonLine({ text });
  assert.deepEqual(line.split(/[\u0085\u2028\u2029]/), [line]);
  assert.equal(line.trimEnd().includes('\n'), false);
  assert.deepEqual(JSON.parse(line), { text });
});
