import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { GatewayError } from '../../src/errors.ts';
import { LineSplitter } from '../../src/framing/ndjson.ts';

function split(pieces: readonly Buffer[], maxBytes = 1024): string[] {
  const lines: string[] = [];
  const splitter = new LineSplitter(maxBytes, (line) => lines.push(line));
  for (const piece of pieces) splitter.push(piece);
  splitter.end();
  return lines;
}

const bytes = (text: string): Buffer => Buffer.from(text);

test('lines, blank lines, CRLF, a missing final newline', () => {
  assert.deepEqual(split([bytes('a\nb\n\n \r\nc\r\nd')]), ['a', 'b', 'c\r', 'd']);
  assert.deepEqual(split([bytes('a\n')]), ['a']);
  assert.deepEqual(split([]), []);
});

test('any lines, cut anywhere, come out whole', () => {
  const line = fc
    .string({ unit: 'grapheme', minLength: 1, maxLength: 20 })
    .filter((text) => !text.includes('\n') && text.trim() !== '');
  fc.assert(
    fc.property(fc.array(line), fc.array(fc.nat(200)), (lines, cuts) => {
      const whole = bytes(lines.map((text) => `${text}\n`).join(''));
      const at = [0, ...cuts.filter((cut) => cut < whole.length).toSorted((a, b) => a - b), whole.length];
      const pieces = at.slice(1).map((end, index) => whole.subarray(at[index], end));
      assert.deepEqual(split(pieces), lines);
    }),
  );
});

test('a line over the cap is refused, in one piece or in many, and one at the cap is not', () => {
  const tooLong = (error: unknown): boolean =>
    error instanceof GatewayError && error.code === 'upstream_protocol_error';
  assert.deepEqual(split([bytes('12345678\n12345678')], 8), ['12345678', '12345678']);
  assert.throws(() => split([bytes('123456789\n')], 8), tooLong);
  assert.throws(() => split([bytes('1234'), bytes('5678'), bytes('9')], 8), tooLong);
});

test('bytes that are not UTF-8 become U+FFFD and spoil nothing after them', () => {
  assert.deepEqual(split([Buffer.from([0x61, 0xff, 0x62, 0x0a, 0xe2, 0x82, 0x0a, 0x63, 0x0a])]), [
    'a\uFFFDb',
    '\uFFFD',
    'c',
  ]);
});
