import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { GatewayError } from '../../src/errors.ts';
import { SseReader } from '../../src/framing/sse-reader.ts';

type Event = [data: string, event: string | undefined];

function read(chunks: readonly Uint8Array[], maxBytes = 1024): Event[] {
  const events: Event[] = [];
  const reader = new SseReader(maxBytes, (data, event) => events.push([data, event]));
  for (const chunk of chunks) reader.push(chunk);
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
  test(`SseReader reads events with ${name}, whole and cut at every byte`, () => {
    const whole = bytes(stream.join(lineEnd));
    assert.deepEqual(read([whole]), events);
    assert.deepEqual(read(singly(whole)), events);
    for (let at = 1; at < whole.length; at += 1) {
      assert.deepEqual(read([whole.subarray(0, at), whole.subarray(at)]), events, `cut at ${at}`);
    }
  });
}

test('SseReader removes a byte order mark and needs no blank line after the last event', () => {
  assert.deepEqual(read([bytes('\uFEFFdata: a\n\ndata: b')]), [
    ['a', undefined],
    ['b', undefined],
  ]);
  assert.deepEqual(read([bytes('data: a\r\n')]), [['a', undefined]]);
  assert.deepEqual(read([]), []);
});

test('SseReader reads an error field as an event', () => {
  assert.deepEqual(read([bytes('error: {"code":500}\n\n')]), [['{"code":500}', 'error']]);
});

test('SseReader reads any data, wherever the chunks are cut', () => {
  const line = fc
    .string({ unit: 'grapheme', minLength: 1, maxLength: 20 })
    .filter((text) => !/[\r\n]/.test(text) && !text.startsWith('\uFEFF'));
  fc.assert(
    fc.property(fc.array(line), fc.array(fc.nat(200)), (lines, cuts) => {
      const whole = bytes(lines.map((text) => `data: ${text}\n\n`).join(''));
      const at = [0, ...cuts.filter((cut) => cut < whole.length).toSorted((a, b) => a - b), whole.length];
      const chunks = at.slice(1).map((end, index) => whole.subarray(at[index], end));
      assert.deepEqual(
        read(chunks).map(([data]) => data),
        lines,
      );
    }),
  );
});

test('SseReader refuses an event over the limit, however it arrives, and accepts one at the limit', () => {
  const atCap = bytes('data: 12345678\n\n');
  assert.deepEqual(read([atCap, atCap], 8).length, 2);
  assert.deepEqual(read(singly(atCap), 8).length, 1);
  assert.throws(() => read([bytes('data: 123456789\n\n')], 8), tooLarge);
  assert.throws(() => read(singly(bytes('data: 123456789\n\n')), 8), tooLarge);
  assert.throws(() => read([bytes('data: 1234\ndata: 5678\ndata: 9\n\n')], 8), tooLarge);
  assert.throws(() => read(singly(bytes(`data: ${'x'.repeat(100)}`)), 8), tooLarge);
  // Comments are not held, however long they are.
  assert.equal(read(singly(bytes(`: ${'x'.repeat(100)}\n\ndata: 1\n\n`)), 8).length, 1);
  assert.throws(() => read([bytes('error: 123456789\n\n')], 8), tooLarge);
});

test('SseReader replaces bytes that are not UTF-8 by U+FFFD and reads what follows', () => {
  assert.deepEqual(read([bytes('data: a'), Buffer.from([0xff]), bytes('b\n\ndata: c\n\n')]), [
    ['a\uFFFDb', undefined],
    ['c', undefined],
  ]);
});
