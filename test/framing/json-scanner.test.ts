import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { JsonScanner } from '../../src/framing/json-scanner.ts';

function scanned(text: string): JsonScanner {
  const scanner = new JsonScanner();
  for (let at = 0; at < text.length; at += 1) scanner.next(text.charCodeAt(at));
  return scanner;
}

suite('JsonScanner', () => {
  const cases: [text: string, depth: number, inString: boolean, complete: boolean][] = [
    ['', 0, false, false],
    ['{', 1, false, false],
    ['[{', 2, false, false],
    ['{}', 0, false, true],
    ['{"a":[1,{"b":2}]}', 0, false, true],
    ['{}{', 1, false, true],
    ['"', 0, true, false],
    ['"{', 0, true, false],
    ['"a"', 0, false, false],
    ['{"\\"}', 1, true, false],
    ['{"\\\\"}', 0, false, true],
    ['{\\"', 1, true, false],
    ['}', -1, false, false],
    ['}{', 0, false, false],
    ['ÛÝ', 0, false, false],
  ];
  for (const [text, depth, inString, complete] of cases) {
    test(`after ${text || 'nothing'}: depth ${depth}, ${inString ? 'in' : 'not in'} a string`, () => {
      const scanner = scanned(text);
      assert.deepEqual([scanner.depth, scanner.inString, scanner.complete], [depth, inString, complete]);
    });
  }

  test('is complete exactly at the end of any JSON object', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue()), (object) => {
        const text = JSON.stringify(object);
        assert.equal(scanned(text.slice(0, -1)).complete, false);
        assert.equal(scanned(text).complete, true);
      }),
    );
  });

  test('reads UTF-8 bytes like UTF-16 code units', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('{', ']', '"', '\\', 'é', '🎉') }), (text) => {
        const scanner = new JsonScanner();
        for (const byte of Buffer.from(text)) scanner.next(byte);
        assert.deepEqual(scanner, scanned(text));
      }),
    );
  });
});
