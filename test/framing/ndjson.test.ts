import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { GatewayError } from '../../src/errors.ts';
import { LineSplitter, splitLines } from '../../src/framing/ndjson.ts';

function split(chunks: readonly Buffer[], maxBytes = 1024): string[] {
  const lines: string[] = [];
  const splitter = new LineSplitter(maxBytes, (whole) => lines.push(...splitLines(whole.toString())));
  for (const chunk of chunks) splitter.push(chunk);
  splitter.end();
  return lines;
}

const bytes = (text: string): Buffer => Buffer.from(text);

test('LineSplitter skips blank lines, keeps the CR of CRLF and needs no final newline', () => {
  assert.deepEqual(split([bytes('a\nb\n\n \r\nc\r\nd')]), ['a', 'b', 'c\r', 'd']);
  assert.deepEqual(split([bytes('a\n')]), ['a']);
  assert.deepEqual(split([]), []);
});

test('LineSplitter passes on whole lines, wherever the chunks are cut', () => {
  const line = fc
    .string({ unit: 'grapheme', minLength: 1, maxLength: 20 })
    .filter((text) => !text.includes('\n') && text.trim() !== '');
  fc.assert(
    fc.property(fc.array(line), fc.array(fc.nat(200)), (lines, cuts) => {
      const whole = bytes(lines.map((text) => `${text}\n`).join(''));
      const at = [0, ...cuts.filter((cut) => cut < whole.length).toSorted((a, b) => a - b), whole.length];
      const chunks = at.slice(1).map((end, index) => whole.subarray(at[index], end));
      assert.deepEqual(split(chunks), lines);
    }),
  );
});

test('LineSplitter refuses a line over the limit, in one chunk or several, and accepts one at the limit', () => {
  const tooLong = (error: unknown): boolean =>
    error instanceof GatewayError && error.code === 'upstream_protocol_error';
  assert.deepEqual(split([bytes('12345678\n12345678')], 8), ['12345678', '12345678']);
  assert.throws(() => split([bytes('123456789\n')], 8), tooLong);
  assert.throws(() => split([bytes('1234'), bytes('5678'), bytes('9')], 8), tooLong);
  assert.throws(() => split([bytes('1234'), bytes('56789\n')], 8), tooLong);
});

test('LineSplitter passes on the lines before one that is over the limit', () => {
  const lines: string[] = [];
  const splitter = new LineSplitter(8, (whole) => lines.push(...splitLines(whole.toString())));
  assert.throws(() => splitter.push(bytes('1\n2\n123456789\n3\n')));
  assert.deepEqual(lines, ['1', '2']);
});

test('LineSplitter passes on all lines of a chunk together, without copying them', () => {
  const passedOn: Buffer[] = [];
  const splitter = new LineSplitter(1024, (whole) => passedOn.push(whole));
  const chunk = bytes('a\nb\nc');
  splitter.push(chunk);
  splitter.push(bytes('d\n'));
  assert.deepEqual(passedOn.map(String), ['a\nb\n', 'cd\n']);
  assert.equal(passedOn[0]?.buffer, chunk.buffer);
});

test('LineSplitter passes on bytes that are not UTF-8, and the lines after them', () => {
  assert.deepEqual(split([Buffer.from([0x61, 0xff, 0x62, 0x0a, 0xe2, 0x82, 0x0a, 0x63, 0x0a])]), [
    'a\uFFFDb',
    '\uFFFD',
    'c',
  ]);
});
