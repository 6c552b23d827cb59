import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hashSecret, newSecret } from '../../src/config/secret.ts';

test('newSecret returns 256 random bits', () => {
  const secret = newSecret();
  assert.match(secret, /^ld-[\w-]{43}$/);
  assert.equal(Buffer.from(secret.slice(3), 'base64url').length, 32);
  assert.notEqual(secret, newSecret());
});

test('hashSecret returns SHA-256 in the format of the configuration file', () => {
  assert.equal(hashSecret('abc'), 'sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
});
