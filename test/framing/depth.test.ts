import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { nestsDeeper } from '../../src/framing/depth.ts';
import { JsonScanner } from '../../src/framing/json-scanner.ts';

/** The deepest nesting of a text, read byte by byte. */
function depthOf(text: Buffer): number {
  const scanner = new JsonScanner();
  let deepest = 0;
  for (const byte of text) {
    scanner.next(byte);
    deepest = Math.max(deepest, scanner.depth);
  }
  return deepest;
}

suite('nestsDeeper', () => {
  test('agrees with a scanner that reads byte by byte, for any text', () => {
    const part = fc.oneof(
      fc.constantFrom('{', '}', '[', ']', '"', '"', '\\', '\\\\', '\\"', ',', 'é', 'Û'),
      // Around the length from which strings are searched natively.
      fc.integer({ min: 60, max: 68 }).map((length) => 'x'.repeat(length)),
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 40 }), (parts) => {
        const text = Buffer.from(parts.join(''));
        const depth = depthOf(text);
        assert.equal(nestsDeeper(text, depth), false);
        if (depth > 0) assert.equal(nestsDeeper(text, depth - 1), true);
      }),
      { numRuns: 5_000 },
    );
  });

  test('accepts an unterminated string of any length', () => {
    for (const length of [0, 1, 63, 64, 65, 200]) {
      for (const end of ['', '\\', '\\"']) {
        assert.equal(nestsDeeper(Buffer.from(`[[[]"${'x'.repeat(length)}${end}`), 3), false);
        assert.equal(nestsDeeper(Buffer.from(`[[[]"${'['.repeat(length)}${end}`), 3), false);
      }
    }
  });
});
