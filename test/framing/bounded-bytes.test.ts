import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { BoundedBytes } from '../../src/framing/bounded-bytes.ts';

suite('BoundedBytes', () => {
  test('returns the bytes of all chunks in order and starts again with none', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 400 })), (chunks) => {
        const bytes = new BoundedBytes(1024 * 1024);
        for (const chunk of chunks) bytes.add(chunk);
        assert.deepEqual(bytes.take(), Buffer.concat(chunks));
        assert.equal(bytes.take().length, 0);
      }),
    );
  });

  test('reports when more than the limit is collected, and accepts the limit itself', () => {
    const bytes = new BoundedBytes(4);
    assert.deepEqual([bytes.add(Buffer.from('ab')), bytes.add(Buffer.from('cd'))], [true, true]);
    assert.equal(bytes.add(Buffer.from('e')), false);
    assert.equal(bytes.take().toString(), 'abcde');
    assert.equal(bytes.add(Buffer.from('abcd')), true);
    assert.equal(new BoundedBytes(4).add(Buffer.from('abcde')), false);
  });

  test('does not copy a single chunk, and writes nothing into its memory when another follows', () => {
    const memory = Buffer.from('abcdef');
    const bytes = new BoundedBytes(10);
    bytes.add(memory.subarray(0, 3));
    bytes.add(Buffer.from('x'));
    assert.deepEqual([bytes.take().toString(), memory.toString()], ['abcx', 'abcdef']);
    bytes.add(memory);
    assert.equal(bytes.take().buffer, memory.buffer);
  });

  test('collects a million chunks of one byte in linear time', { timeout: 10_000 }, () => {
    const bytes = new BoundedBytes(1_000_000);
    const chunk = Buffer.from('a');
    for (let added = 0; added < 1_000_000; added += 1) assert.ok(bytes.add(chunk));
    assert.equal(bytes.take().length, 1_000_000);
  });
});
