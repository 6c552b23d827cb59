import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { imageType } from '../../src/images/sniff.ts';
import { images, svg } from './samples.ts';

test('detects each type by its first bytes, in a Buffer, a Uint8Array or a part of one', () => {
  for (const [type, bytes] of Object.entries(images)) {
    assert.equal(imageType(bytes), type);
    assert.equal(imageType(new Uint8Array(bytes)), type);
    assert.equal(imageType(new Uint8Array([1, 2, ...bytes]).subarray(2)), type);
    assert.equal(imageType(bytes.subarray(0, 12)), type);
  }
  assert.equal(imageType(Buffer.from('GIF87a')), 'gif');
});

test('detects no type in other files', () => {
  const others = ['', 'GIF88a', 'RIFF\0\0\0\0WAVE', 'RIFF', 'BM', 'II*\0', '%PDF-1.7', '\0\0\0\x1cftypavif', ' GIF89a'];
  for (const text of others) assert.equal(imageType(Buffer.from(text, 'latin1')), undefined, text);
  assert.equal(imageType(svg), undefined);
  assert.equal(imageType(Buffer.from('\uFEFF\x89PNG\r\n\x1a\n')), undefined);
});

test('detects no type in a signature that is incomplete or has a wrong byte', () => {
  const signatures = { png: [0, 1, 2, 3, 4, 5, 6, 7], jpeg: [0, 1, 2], webp: [0, 1, 2, 3, 8, 9, 10, 11] } as const;
  for (const [type, positions] of Object.entries(signatures)) {
    const bytes = images[type as keyof typeof signatures];
    assert.equal(imageType(bytes.subarray(0, positions.at(-1))), undefined, type);
    for (const position of positions) {
      const damaged = Buffer.from(bytes);
      damaged.writeUInt8(bytes.readUInt8(position) ^ 0x20, position);
      assert.equal(imageType(damaged), undefined, `${type} ${position}`);
    }
  }
});

test('ignores what follows the signature', () => {
  fc.assert(
    fc.property(fc.constantFrom('png', 'jpeg', 'webp', 'gif'), fc.uint8Array(), (type, rest) => {
      assert.equal(imageType(Buffer.concat([images[type].subarray(0, 12), rest])), type);
    }),
  );
});
