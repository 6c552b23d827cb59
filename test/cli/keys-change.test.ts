import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { revokeKey } from '../../src/cli/keys/revoke.ts';
import { rotateKey } from '../../src/cli/keys/rotate.ts';
import { newKey } from '../../src/cli/keys/new.ts';
import { parseConfig } from '../../src/config/file.ts';
import { hashSecret } from '../../src/config/secret.ts';
import { KeyRing } from '../../src/policy/keys.ts';
import { run } from './run.ts';

const alice = `sha256:${'1'.repeat(64)}`;
const twoKeys = `groups:
  lab: {}
keys:
  - name: alice # second floor
    hash: ${alice}
  - name: bob
    hash: sha256:${'2'.repeat(64)}
`;

interface Scratch {
  readonly file: string;
  readonly read: () => string;
}

function scratch(context: TestContext, text = twoKeys): Scratch {
  const folder = mkdtempSync(join(tmpdir(), 'llamaduct-keys-'));
  const file = join(folder, 'llamaduct.yaml');
  writeFileSync(file, text);
  context.after(() => {
    const names = readdirSync(folder);
    rmSync(folder, { recursive: true });
    assert.deepEqual(names, ['llamaduct.yaml'], 'no temporary file is left');
  });
  return { file, read: () => readFileSync(file, 'utf8') };
}

function secretIn(stdout: string): string {
  const [secret, ...others] = stdout.match(/ld-[\w-]{43}/g) ?? [];
  assert.ok(secret !== undefined && others.length === 0, stdout);
  return secret;
}

test('keys new adds the key to the file', async (context) => {
  const { file, read } = scratch(context);
  const { code, stdout, stderr } = await run(['keys', 'new', '--name', 'carol', '--group', 'lab', '--config', file]);
  assert.deepEqual([code, stderr], [0, '']);
  const secret = secretIn(stdout);
  assert.ok(stdout.endsWith(`\nAdded key "carol" to ${file}.\n`), stdout);
  assert.ok(read().startsWith(twoKeys) && !read().includes(secret));
  const { keys } = parseConfig(read(), file);
  assert.deepEqual(keys.at(-1), { name: 'carol', hash: hashSecret(secret), scopes: ['inference'], group: 'lab' });
});

test('keys new and keys revoke use the file in LLAMADUCT_CONFIG', async (context) => {
  const { file, read } = scratch(context);
  assert.equal((await run(['keys', 'new', '--name', 'carol'], { LLAMADUCT_CONFIG: file })).code, 0);
  assert.equal((await run(['keys', 'revoke', 'alice'], { LLAMADUCT_CONFIG: file })).code, 0);
  assert.deepEqual(
    parseConfig(read(), file).keys.map(({ name }) => name),
    ['bob', 'carol'],
  );
});

test('keys revoke removes the key from the file', async (context) => {
  const { file, read } = scratch(context);
  const finished = await run(['keys', 'revoke', 'bob', '--config', file]);
  assert.deepEqual(finished, { code: 0, stdout: `Removed key "bob" from ${file}.\n`, stderr: '' });
  assert.equal(read(), twoKeys.slice(0, twoKeys.indexOf('  - name: bob')));
});

test('keys rotate replaces the secret', async (context) => {
  const { file, read } = scratch(context);
  const { code, stdout, stderr } = await run(['keys', 'rotate', 'alice', '--config', file]);
  assert.deepEqual([code, stderr], [0, '']);
  assert.ok(stdout.endsWith(`\nReplaced key "alice" in ${file}. The previous key is no longer valid.\n`), stdout);
  assert.equal(read(), twoKeys.replace(alice, hashSecret(secretIn(stdout))));
});

test('keys rotate --keep keeps the previous secret valid until it expires or the next rotation', async (context) => {
  const { file, read } = scratch(context);
  const [first, second] = [
    await run(['keys', 'rotate', 'alice', '--config', file]),
    await run(['keys', 'rotate', 'alice', '--keep', '24h', '--config', file]),
  ].map(({ stdout }) => secretIn(stdout));
  assert.ok(first !== undefined && second !== undefined);
  const ring = new KeyRing(parseConfig(read(), file).keys);
  assert.equal(ring.find(second)?.expires, Infinity);
  const validFor = (ring.find(first)?.expires ?? 0) - Date.now();
  assert.ok(validFor > 86_400_000 - 20_000 && validFor <= 86_401_000, `valid for ${validFor} ms`);

  const third = secretIn((await run(['keys', 'rotate', 'alice', '--keep', '0s', '--config', file])).stdout);
  const after = new KeyRing(parseConfig(read(), file).keys);
  assert.equal(read(), twoKeys.replace(alice, hashSecret(third)));
  assert.deepEqual([after.find(first), after.find(second), after.find(third)?.name], [undefined, undefined, 'alice']);
});

test('a second keys rotate --keep keeps every promised secret until its own date, and forgets those that are over', async (context) => {
  const { file, read } = scratch(context);
  const rotate = async (keep: string): Promise<string> =>
    secretIn((await run(['keys', 'rotate', 'alice', '--keep', keep, '--config', file])).stdout);
  const [first, second] = [await rotate('48h'), await rotate('24h')];
  const newest = await rotate('1h');
  const ring = new KeyRing(parseConfig(read(), file).keys);
  const hoursOf = (secret: string): number => Math.round(((ring.find(secret)?.expires ?? 0) - Date.now()) / 3_600_000);
  assert.deepEqual([hoursOf(first), hoursOf(second), ring.find(newest)?.expires], [24, 1, Infinity]);
  const [{ retiring } = assert.fail()] = parseConfig(read(), file).keys;
  assert.equal(retiring?.length, 3);
  assert.equal(retiring[2]?.hash, alice);
  assert.match((await run(['keys', 'list', '--config', file])).stdout, /never \(previous key: \S+Z, \S+Z, \S+Z\)/);

  writeFileSync(file, read().replace(/until: .*/, 'until: 2020-01-01T00:00:00Z'));
  await rotate('1h');
  assert.equal(parseConfig(read(), file).keys[0]?.retiring?.length, 3);
});

test('keys commands report invalid input and leave the file unchanged', async (context) => {
  const { file, read } = scratch(context);
  const invalid: readonly [edit: () => Promise<void>, message: RegExp, exitCode?: number][] = [
    [async () => await newKey({ name: 'bob', config: file }), /^a key named "bob" already exists in /],
    [
      async () => await newKey({ name: 'carol', group: 'no', config: file }),
      /^--group: unknown group "no" \(defined groups: lab\)$/,
    ],
    [async () => await newKey({ name: 'a b', config: file }), /^--name: /, 2],
    [async () => await revokeKey('carol', { config: file }), /^no key named "carol" in /],
    [async () => await revokeKey('__proto__', { config: file }), /^no key named "__proto__" in /],
    [async () => await rotateKey('carol', { config: file }), /^no key named "carol" in /],
    [async () => await rotateKey('bob', { config: file, keep: 'long' }), /^--keep: expected a duration/, 2],
    [async () => await rotateKey('bob', { config: file, keep: '9999999999d' }), /^--keep: at most 366d$/, 2],
    [async () => await rotateKey('bob', {}), /^'keys rotate' needs --config FILE$/, 2],
  ];
  for (const [edit, message, exitCode = 1] of invalid) {
    await assert.rejects(edit(), { name: 'CommandError', message, exitCode });
  }
  const adminWithModels = { name: 'carol', scopes: 'admin', models: 'a', config: file };
  await assert.rejects(newKey(adminWithModels), {
    name: 'ConfigError',
    message: /was not changed.*keys\[2\]\.models: a key/,
  });
  assert.equal(read(), twoKeys);
});

test('keys revoke refuses to remove the only key, unless LLAMADUCT_KEY is set', async (context) => {
  const oneKey = `keys:\n  - name: alice\n    hash: ${alice}\n`;
  const { file, read } = scratch(context, oneKey);
  const finished = await run(['keys', 'revoke', 'alice', '--config', file]);
  assert.equal(finished.code, 1);
  assert.match(finished.stderr, /^llamaduct: "alice" is the only key in .*Create another key first\n$/);
  assert.equal(read(), oneKey);
  const environment = { LLAMADUCT_KEY: 'a-ready-made-secret' };
  assert.equal((await run(['keys', 'revoke', 'alice', '--config', file], environment)).code, 0);
  assert.equal(read(), 'keys: []\n');
});
