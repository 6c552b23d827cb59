import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { GatewayError } from '../../src/errors.ts';
import { SseReader } from '../../src/framing/sse-reader.ts';

type Event = [data: string, event: string | undefined];

function read(pieces: readonly Uint8Array[], maxBytes = 1024): Event[] {
  const events: Event[] = [];
  const reader = new SseReader(maxBytes, (data, event) => events.push([data, event]));
  for (const piece of pieces) reader.push(piece);
  reader.end();
  return events;
}

const bytes = (text: string): Buffer => Buffer.from(text);
const singly = (whole: Buffer): Buffer[] => Array.from(whole, (_, at) => whole.subarray(at, at + 1));
const tooLarge = (error: unknown): boolean =>
  error instanceof GatewayError && error.code === 'upstream_protocol_error' && /8 bytes/.test(error.message);

const stream = [
  ': a comment',
  '',
  'data: {"a":"é🎉"}',
  '',
  'event: error',
  'id: 7',
  'data:no space',
  '',
  'data: two',
  'data: lines',
  '',
  'retry: 5',
  'unknown: field',
  'data',
  '',
  'data: [DONE]',
  '',
  '',
];
const events: Event[] = [
  ['{"a":"é🎉"}', undefined],
  ['no space', 'error'],
  ['two\nlines', undefined],
  ['[DONE]', undefined],
];

for (const [name, lineEnd] of Object.entries({ LF: '\n', CRLF: '\r\n', CR: '\r' })) {
  test(`events, comments, names and many lines of data with ${name}, whole and cut at every byte`, () => {
    const whole = bytes(stream.join(lineEnd));
    assert.deepEqual(read([whole]), events);
    assert.deepEqual(read(singly(whole)), events);
    for (let at = 1; at < whole.length; at += 1) {
      assert.deepEqual(read([whole.subarray(0, at), whole.subarray(at)]), events, `cut at ${at}`);
    }
  });
}

test('a byte order mark is taken off, and the last event needs no blank line', () => {
  assert.deepEqual(read([bytes('\uFEFFdata: a\n\ndata: b')]), [
    ['a', undefined],
    ['b', undefined],
  ]);
  assert.deepEqual(read([bytes('data: a\r\n')]), [['a', undefined]]);
  assert.deepEqual(read([]), []);
});

test('an error in a field of that name is an event', () => {
  assert.deepEqual(read([bytes('error: {"code":500}\n\n')]), [['{"code":500}', 'error']]);
});

test('any data, cut anywhere, comes out whole', () => {
  const line = fc
    .string({ unit: 'grapheme', minLength: 1, maxLength: 20 })
    .filter((text) => !/[\r\n]/.test(text) && !text.startsWith('\uFEFF'));
  fc.assert(
    fc.property(fc.array(line), fc.array(fc.nat(200)), (lines, cuts) => {
      const whole = bytes(lines.map((text) => `data: ${text}\n\n`).join(''));
      const at = [0, ...cuts.filter((cut) => cut < whole.length).toSorted((a, b) => a - b), whole.length];
      const pieces = at.slice(1).map((end, index) => whole.subarray(at[index], end));
      assert.deepEqual(
        read(pieces).map(([data]) => data),
        lines,
      );
    }),
  );
});

test('an event over the cap is refused, whole, in pieces, in many lines, or without end; one at the cap is not', () => {
  const atCap = bytes('data: 12345678\n\n');
  assert.deepEqual(read([atCap, atCap], 8).length, 2);
  assert.deepEqual(read(singly(atCap), 8).length, 1);
  assert.throws(() => read([bytes('data: 123456789\n\n')], 8), tooLarge);
  assert.throws(() => read(singly(bytes('data: 123456789\n\n')), 8), tooLarge);
  assert.throws(() => read([bytes('data: 1234\ndata: 5678\ndata: 9\n\n')], 8), tooLarge);
  assert.throws(() => read(singly(bytes(`data: ${'x'.repeat(100)}`)), 8), tooLarge);
  // A comment is not kept, however long it is.
  assert.equal(read(singly(bytes(`: ${'x'.repeat(100)}\n\ndata: 1\n\n`)), 8).length, 1);
  assert.throws(() => read([bytes('error: 123456789\n\n')], 8), tooLarge);
});

test('bytes that are not UTF-8 become U+FFFD and spoil nothing after them', () => {
  assert.deepEqual(read([bytes('data: a'), Buffer.from([0xff]), bytes('b\n\ndata: c\n\n')]), [
    ['a\uFFFDb', undefined],
    ['c', undefined],
  ]);
});
