import assert from 'node:assert/strict';
import { test } from 'node:test';
import { recordsIn } from '../../src/framing/records.ts';

const line = `${JSON.stringify({ model: 'm', message: { role: 'assistant', content: 'Hello' }, done: false })}\n`;
const event = `data: ${line}\n`;

test('recordsIn counts pieces, and the records of pieces that were joined', () => {
  for (const [text, pieces, expected] of [
    [line, 1, 1],
    [line.repeat(3), 3, 3],
    [line.repeat(1000), 1, 1000],
    [event.repeat(1000), 1, 1000],
    [line.repeat(1000), 1000, 1000],
    [`{"text":"${'x'.repeat(10_000)}"}\n`, 1, 1],
    [`{"text":"${'x'.repeat(10_000)}`, 1, 1],
    ['x'.repeat(10_000), 2, 2],
    [': waiting\n\n', 1, 0],
    ['\n', 1, 0],
    ['\r\n', 1, 0],
    [`: waiting\n\n${event}`, 1, 1],
  ] as const) {
    assert.equal(recordsIn(Buffer.from(text), pieces), expected, text.slice(0, 20));
  }
});
