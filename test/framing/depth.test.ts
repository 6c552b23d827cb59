import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { type JsonLimits, countValues } from '../../src/framing/depth.ts';
import { JsonScanner } from '../../src/framing/json-scanner.ts';

/** The deepest nesting of a text, read byte by byte until it closes more than it has opened. */
function depthOf(text: Buffer): number {
  const scanner = new JsonScanner();
  let deepest = 0;
  for (const byte of text) {
    scanner.next(byte);
    if (scanner.depth < 0) break;
    deepest = Math.max(deepest, scanner.depth);
  }
  return deepest;
}

const unlimited: JsonLimits = { depth: Infinity, values: Infinity, fields: Infinity };

function nestsDeeper(text: Buffer, depth: number): boolean {
  return countValues(text, { ...unlimited, depth }) === 'depth';
}

/** Values and the most fields of an object, as JSON.parse sees them. An empty object or array counts twice. */
function sizeOf(value: unknown): { values: number; fields: number } {
  if (typeof value !== 'object' || value === null) return { values: 1, fields: 0 };
  const sizes = Object.values(value).map(sizeOf);
  return {
    values: sizes.reduce((sum, { values }) => sum + values, sizes.length === 0 ? 2 : 1),
    fields: Math.max(Array.isArray(value) ? 0 : sizes.length, ...sizes.map(({ fields }) => fields)),
  };
}

suite('countValues', () => {
  test('counts the values of any JSON, and finds the object with the most fields', () => {
    fc.assert(
      fc.property(fc.json(), fc.nat(1), (json, spaces) => {
        const parsed: unknown = JSON.parse(json);
        const text = Buffer.from(JSON.stringify(parsed, undefined, spaces));
        const { values, fields } = sizeOf(parsed);
        assert.equal(countValues(text, { ...unlimited, values, fields }), values);
        assert.equal(countValues(text, { ...unlimited, values: values - 1 }), values > 1 ? 'values' : 1);
        if (fields > 0) assert.equal(countValues(text, { ...unlimited, fields: fields - 1 }), 'fields');
      }),
      { numRuns: 2_000 },
    );
  });

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
