import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { cutPasses, describeCuts } from './cuts.ts';
import { type Dialect, dialects, events, stable } from './replay.ts';
import { type Kind, kinds, streams } from './streams.ts';

test('the passes of one body cut it once at every byte, and once at most in each line', () => {
  const body = Buffer.from('ab\nabcdefgh\n\nabc\na');
  const positions: number[] = [];
  for (const pieces of cutPasses(body)) {
    assert.deepEqual(Buffer.concat(pieces), body);
    let position = 0;
    for (const { length } of pieces.slice(0, -1)) positions.push((position += length));
    for (const { length } of pieces.slice(1, -1)) assert.ok(length >= 2 * 'abcdefgh\n'.length);
  }
  assert.deepEqual(
    positions.toSorted((a, b) => a - b),
    Array.from({ length: body.length - 1 }, (_, index) => index + 1),
  );
});

for (const kind of kinds) {
  for (const requestKind of ['chat', 'completion'] as const) {
    const dialect = dialects.find(({ call }) => call.requests[0].kind === requestKind);
    assert.ok(dialect);
    suite(`${kind}'s decoder gives the same ${requestKind} events wherever the bytes are cut`, () => {
      for (const { body, name } of streams[kind][requestKind]) {
        test(`recording ${name}`, () => assertSameEvents(body, kind, dialect));
      }
    });
  }
}

function assertSameEvents(body: Buffer, kind: Kind, dialect: Dialect): void {
  const expected = JSON.stringify(events([body], kind, dialect));
  for (const pieces of cutPasses(body)) {
    const given = JSON.stringify(events(pieces, kind, dialect));
    // Only events with random ids differ.
    if (given !== expected) assert.equal(stable(given), stable(expected), describeCuts(pieces));
  }
}
