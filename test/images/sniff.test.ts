import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { imageType } from '../../src/images/sniff.ts';
import { images, svg } from './samples.ts';

test('each type by its first bytes, in a Buffer, a plain Uint8Array or a part of one', () => {
  for (const [type, bytes] of Object.entries(images)) {
    assert.equal(imageType(bytes), type);
    assert.equal(imageType(new Uint8Array(bytes)), type);
    assert.equal(imageType(new Uint8Array([1, 2, ...bytes]).subarray(2)), type);
    assert.equal(imageType(bytes.subarray(0, 12)), type);
  }
  assert.equal(imageType(Buffer.from('GIF87a')), 'gif');
});

test('other files are none', () => {
  const others = ['', 'GIF88a', 'RIFF\0\0\0\0WAVE', 'RIFF', 'BM', 'II*\0', '%PDF-1.7', '\0\0\0\x1cftypavif', ' GIF89a'];
  for (const text of others) assert.equal(imageType(Buffer.from(text, 'latin1')), undefined, text);
  assert.equal(imageType(svg), undefined);
  assert.equal(imageType(Buffer.from('\uFEFF\x89PNG\r\n\x1a\n')), undefined);
});

test('a head that is cut short or spoilt in any byte is none', () => {
  const signatures = { png: [0, 1, 2, 3, 4, 5, 6, 7], jpeg: [0, 1, 2], webp: [0, 1, 2, 3, 8, 9, 10, 11] } as const;
  for (const [type, places] of Object.entries(signatures)) {
    const bytes = images[type as keyof typeof signatures];
    assert.equal(imageType(bytes.subarray(0, places.at(-1))), undefined, type);
    for (const place of places) {
      const spoilt = Buffer.from(bytes);
      spoilt.writeUInt8(bytes.readUInt8(place) ^ 0x20, place);
      assert.equal(imageType(spoilt), undefined, `${type} ${place}`);
    }
  }
});

test('what follows the head does not matter', () => {
  fc.assert(
    fc.property(fc.constantFrom('png', 'jpeg', 'webp', 'gif'), fc.uint8Array(), (type, rest) => {
      assert.equal(imageType(Buffer.concat([images[type].subarray(0, 12), rest])), type);
    }),
  );
});
