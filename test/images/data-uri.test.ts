import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { readDataUri } from '../../src/images/data-uri.ts';
import { images, svg } from './samples.ts';

const param = 'messages[0].content[1].image_url.url';
const png = images.png.toString('base64');

function refused(uri: string, why: string): void {
  assert.throws(
    () => readDataUri(uri, param),
    { name: 'GatewayError', code: 'invalid_value', status: 400, param, message: `${param} ${why}` },
    uri.slice(0, 80),
  );
}

const notOne = 'must be a base64 data URI of a png, jpeg, webp or gif image.';
const notBase64 = 'holds data that is not valid base64.';
const notAnImage = 'holds data that is not a png, jpeg, webp or gif image.';

test('accepts the four types in the spellings that clients use', () => {
  for (const [type, bytes] of Object.entries(images)) {
    const base64 = bytes.toString('base64');
    assert.equal(readDataUri(`data:image/${type};base64,${base64}`, param), base64);
  }
  const jpeg = images.jpeg.toString('base64');
  assert.equal(readDataUri(`data:image/jpg;base64,${jpeg}`, param), jpeg);
  assert.equal(readDataUri(`DATA:Image/PNG;BASE64,${png}`, param), png);
  assert.equal(readDataUri(`data:image/png;name=a.png;charset=utf-8;base64,${png}`, param), png);
});

test('accepts an image with the media type of another of the four', () => {
  assert.equal(readDataUri(`data:image/png;base64,${images.jpeg.toString('base64')}`, param).slice(0, 4), '/9j/');
});

test('refuses anything but a base64 data URI of the four types', () => {
  for (const uri of [
    '',
    'data:',
    'data:,',
    png,
    `data:;base64,${png}`,
    `data:image/png,${png}`,
    `data:image/png;base64;x=y,${png}`,
    `data:image/svg+xml;base64,${svg.toString('base64')}`,
    `data:image/bmp;base64,${png}`,
    `data:text/plain;base64,${png}`,
    `data:image/pngx;base64,${png}`,
    ` data:image/png;base64,${png}`,
    'https://example.com/a.png',
    `data:image/png${';a=b'.repeat(1_000_000)};base64,${png}`,
  ]) {
    refused(uri, notOne);
  }
});

test('refuses a payload that is not base64', () => {
  for (const payload of [
    `${png.slice(0, -4)}A`,
    `${png}=`,
    `${png}====`,
    `${png.slice(0, 40)}=${png.slice(41)}`,
    png.replace('+', '-').replace('/', '_'),
    png.replaceAll('+', '%2B'),
    `${png.slice(0, 20)}é${png.slice(21)}`,
    `${png.slice(0, 20)}\0${png.slice(21)}`,
    '=',
    '====',
  ]) {
    refused(`data:image/png;base64,${payload}`, notBase64);
  }
});

test('refuses a payload that is no image, whatever its media type', () => {
  refused('data:image/png;base64,', notAnImage);
  refused(`data:image/png;base64,${Buffer.from('just some text').toString('base64')}`, notAnImage);
  refused(`data:image/png;base64,${svg.toString('base64')}`, notAnImage);
});

test('returns any image unchanged, also from base64 with line breaks or without padding', () => {
  const unit = fc.constantFrom('\n', '\r\n', ' ', '\t');
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.integer({ min: 1, max: 80 }), unit, (rest, width, lineEnd) => {
      const base64 = Buffer.concat([images.png, rest]).toString('base64');
      const lines = base64.match(new RegExp(`.{1,${width}}`, 'g')) ?? [];
      assert.equal(readDataUri(`data:image/png;base64,${base64}`, param), base64);
      assert.equal(readDataUri(`data:image/png;base64,${base64.replaceAll('=', '')}`, param), base64);
      assert.equal(readDataUri(`data:image/png;base64,${lines.join(lineEnd)}${lineEnd}`, param), base64);
    }),
  );
});

test('returns what a forgiving decoder reads, or refuses the text', () => {
  const character = fc.constantFrom('A', 'z', '0', '/', '+', '=', '=', '\n', '-', '%');
  const forgiven = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}(?:==)?|[A-Za-z0-9+/]{3}=?)?$/;
  fc.assert(
    fc.property(fc.string({ unit: character, maxLength: 12 }), (tail) => {
      const text = images.gif.subarray(0, 30).toString('base64') + tail;
      const bare = text.replaceAll('\n', '');
      const uri = `data:image/gif;base64,${text}`;
      if (forgiven.test(bare)) {
        assert.equal(readDataUri(uri, param).length % 4, 0);
        assert.deepEqual(Buffer.from(readDataUri(uri, param), 'base64'), Buffer.from(bare, 'base64'));
      } else {
        refused(uri, notBase64);
      }
    }),
    { numRuns: 1000 },
  );
});

test('reads 20 MB in linear time, valid or not', () => {
  const base64 = Buffer.concat([images.png, Buffer.alloc(15_000_000, 0xa5)]).toString('base64');
  const start = performance.now();
  assert.equal(readDataUri(`data:image/png;base64,${base64}`, param).length, base64.length);
  refused(`data:image/png;base64,${base64}!`, notBase64);
  refused(`data:image/png;base64,${'A'.repeat(20_000_000)}`, notAnImage);
  refused(`data:image/png;base64,${'='.repeat(20_000_000)}`, notBase64);
  refused(`data:image/png;base64,${' '.repeat(20_000_000)}`, notAnImage);
  refused(`data:image/png;base64,${' A'.repeat(10_000_000)}`, notAnImage);
  assert.ok(performance.now() - start < 3_000);
});
