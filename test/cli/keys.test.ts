import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { newKey } from '../../src/cli/keys/new.ts';
import { parseConfig } from '../../src/config/file.ts';
import { hashSecret } from '../../src/config/secret.ts';
import { run } from './run.ts';

const folder = mkdtempSync(join(tmpdir(), 'llamaduct-keys-'));
after(() => rmSync(folder, { recursive: true }));

test('keys new prints a secret and the lines for the configuration file', async () => {
  const flags = [
    '--name',
    'alice',
    '--scopes',
    'inference, metrics',
    '--models',
    'llama3*,*:1b',
    '--expires',
    '2027-01-01',
  ];
  const { code, stdout, stderr } = await run(['keys', 'new', ...flags]);
  assert.deepEqual([code, stderr], [0, '']);
  const [secret = '', ...others] = stdout.match(/ld-[\w-]{43}/g) ?? [];
  assert.deepEqual(others, []);
  const lines = stdout.slice(stdout.indexOf('  - name'));
  assert.deepEqual(parseConfig(`keys:\n${lines}`, 'pasted').keys, [
    {
      name: 'alice',
      hash: hashSecret(secret),
      scopes: ['inference', 'metrics'],
      models: ['llama3*', '*:1b'],
      expires: '2027-01-01',
    },
  ]);
});

test('keys new needs only --name', async () => {
  const { code, stdout } = await run(['keys', 'new', '--name', 'bob']);
  assert.equal(code, 0);
  assert.match(stdout, /- name: bob\n {4}hash: sha256:[0-9a-f]{64}\n {4}scopes:\n {6}- inference\n$/);
});

for (const [flags, message] of [
  [{}, /^'keys new' needs --name NAME$/],
  [{ name: 'a b' }, /^--name: expected 1 to 64 letters/],
  [{ name: 'a', scopes: 'all' }, /^--scopes: .*expected one of "inference"/],
  [{ name: 'a', expires: 'soon' }, /^--expires: expected a date such as 2027-01-31/],
  [{ name: 'a', models: '' }, /^--models: /],
] as const) {
  test(`keys new rejects the flags ${JSON.stringify(flags)}`, async () => {
    await assert.rejects(newKey(flags), { name: 'CommandError', exitCode: 2, message });
  });
}

function hash(digit: number): string {
  return `sha256:${String(digit).repeat(64)}`;
}

test('keys list prints every key with its limits, but no hash', async () => {
  const file = join(folder, 'keys.yaml');
  writeFileSync(
    file,
    `groups:
  lab: {models: ["gemma*"], limits: {requests_per_minute: 60, tokens_per_minute: 100000, max_tokens: 8192}}
keys:
  - {name: alice, hash: "${hash(1)}", scopes: [inference, metrics], models: ["llama3*", "qwen*"], expires: 2999-01-01}
  - {name: bob, hash: "${hash(2)}", group: lab, limits: {max_tokens: 3000000}, expires: 2020-01-01}
  - {name: prometheus, hash: "${hash(3)}", scopes: [metrics], retiring: {hash: "${hash(4)}", until: 2999-01-01T00:00:00Z}}
  - {name: root, hash: "${hash(5)}", scopes: [admin], group: lab, retiring: {hash: "${hash(6)}", until: 2020-01-01T00:00:00Z}}
`,
  );
  const expected = `NAME        SCOPES             MODELS         GROUP  EXPIRES                                     LIMITS
alice       inference,metrics  llama3*,qwen*  -      2999-01-01                                  -
bob         inference          gemma*         lab    2020-01-01 (expired)                        60 requests/min, 100k tokens/min, 3M tokens/response
prometheus  metrics            all            -      never (previous key: 2999-01-01T00:00:00Z)  -
root        admin              all            lab    never                                       60 requests/min, 100k tokens/min, 8192 tokens/response
`;
  assert.deepEqual(await run(['keys', 'list', '--config', file]), { code: 0, stdout: expected, stderr: '' });
  assert.equal((await run(['keys', 'list'], { LLAMADUCT_CONFIG: file })).stdout, expected);
});

test('keys list needs a configuration file', async () => {
  assert.deepEqual(await run(['keys', 'list']), {
    code: 2,
    stdout: '',
    stderr: "llamaduct: 'keys list' needs --config FILE\n",
  });
});
