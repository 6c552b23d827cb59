import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { KeyEdit } from '../../src/config/edit/key-edit.ts';
import { editConfigFile } from '../../src/config/edit/edit-file.ts';
import { parseConfig } from '../../src/config/file.ts';

const folder = mkdtempSync(join(tmpdir(), 'llamaduct-edit-'));
after(() => rmSync(folder, { recursive: true }));
const file = join(folder, 'llamaduct.yaml');
const example = readFileSync(join(import.meta.dirname, '../../deploy/llamaduct.example.yaml'), 'utf8');

const hash = (digit: number): string => `sha256:${String(digit).repeat(64)}`;
const until = '2999-01-01T00:00:00Z';
const addBob: KeyEdit = { kind: 'add', key: { name: 'bob', hash: hash(2), scopes: ['inference'] } };
const removeAlice: KeyEdit = { kind: 'remove', name: 'alice' };
const rotateAlice: KeyEdit & { kind: 'rotate' } = { kind: 'rotate', name: 'alice', hash: hash(3), retiring: [] };
const rotateAliceKeepingOld: KeyEdit = { ...rotateAlice, retiring: [{ hash: hash(1), until }] };
const rotateAliceKeepingTwo = {
  ...rotateAlice,
  retiring: [
    { hash: hash(1), until },
    { hash: hash(5), until },
  ],
};

async function edited(text: string, edit: KeyEdit): Promise<string> {
  writeFileSync(file, text);
  await editConfigFile(file, () => edit);
  return readFileSync(file, 'utf8');
}

const bob = `- name: bob\n  hash: ${hash(2)}\n  scopes:\n    - inference\n`;
const indented = (text: string, by = '  '): string => text.replace(/^(?=.)/gm, by);
const retiring = (digit: number): string => `retiring:\n  hash: ${hash(digit)}\n  until: ${until}\n`;

/** One key, with comments in every place that YAML allows. */
const commented = `# The head.
listen: 127.0.0.1:1   # where

keys: # who
  # the first
  - name: alice    # hers
    hash: ${hash(1)} # its hash
    #models: [a]

# Below.
log_level:  "info" # loud
# The end.`;

const cases: readonly [name: string, before: string, edit: KeyEdit, after: string][] = [
  [
    'adds a key after the last one and its comments',
    commented,
    addBob,
    commented.replace('    #models: [a]\n', `    #models: [a]\n${indented(bob)}`),
  ],
  ['adds a key to a list that is not indented', `keys:\n${pair(1)}# x\n`, addBob, `keys:\n${pair(1)}${bob}# x\n`],
  [
    'adds a key after a last line without a line break',
    `keys:\n${pair(1)}`.trimEnd(),
    addBob,
    `keys:\n${pair(1)}${bob}`,
  ],
  ['adds a key to an empty file', '', addBob, `keys:\n${indented(bob)}`],
  ['adds a key to a file with only comments', '# none', addBob, `# none\nkeys:\n${indented(bob)}`],
  ['adds a key to a file without keys', 'strict: true', addBob, `strict: true\nkeys:\n${indented(bob)}`],
  [
    'adds a key to an empty list',
    'keys: [] # as yet\nstrict: true\n',
    addBob,
    `keys: # as yet\n${indented(bob)}strict: true\n`,
  ],
  ['keeps CRLF line endings', crlf(`keys:\n${pair(1)}`), addBob, crlf(`keys:\n${pair(1)}${bob}`)],
  ['rotates a key and keeps the comment after its hash', commented, rotateAlice, commented.replace(hash(1), hash(3))],
  [
    'rotates a key and keeps the previous hash as retiring',
    commented,
    rotateAliceKeepingOld,
    commented.replace(`${hash(1)} # its hash\n`, `${hash(3)} # its hash\n${indented(retiring(1), '    ')}`),
  ],
  [
    'rotates a key and replaces an earlier retiring hash',
    `keys:\n${pair(4)}${indented(retiring(5))}  # x\n`,
    rotateAliceKeepingOld,
    `keys:\n${pair(3)}${indented(retiring(1))}  # x\n`,
  ],
  [
    'rotates a key and keeps an earlier retiring hash beside the previous one',
    `keys:\n${pair(1)}${indented(retiring(5))}  # x\n`,
    rotateAliceKeepingTwo,
    `keys:\n${pair(3)}  retiring:\n${[1, 5].map((digit) => `    - hash: ${hash(digit)}\n      until: ${until}\n`).join('')}  # x\n`,
  ],
  [
    'rotates a key and removes a list of retiring hashes',
    `keys:\n${pair(1)}  retiring:\n    - hash: ${hash(5)}\n      until: ${until}\n    - {hash: "${hash(6)}", until: ${until}}\n  hide_thinking: true\n`,
    rotateAlice,
    `keys:\n${pair(3)}  hide_thinking: true\n`,
  ],
  [
    'rotates a key and removes an earlier retiring hash',
    `keys:\n${pair(1)}${indented(retiring(5))}  hide_thinking: true\n`,
    rotateAlice,
    `keys:\n${pair(3)}  hide_thinking: true\n`,
  ],
  [
    'removes a key with the comments inside it',
    `keys:\n${indented(pair(1))}    #models: [a]\n  # his\n${indented(bob)}`,
    removeAlice,
    `keys:\n  # his\n${indented(bob)}`,
  ],
  [
    'removes the last key and leaves an empty list',
    `strict: true\nkeys: # who\n${pair(1)}\n# Below.\n`,
    removeAlice,
    'strict: true\nkeys: [] # who\n\n# Below.\n',
  ],
];

function pair(digit: number): string {
  return `- name: alice\n  hash: ${hash(digit)}\n`;
}

function crlf(text: string): string {
  return text.replaceAll('\n', '\r\n');
}

for (const [name, before, edit, expected] of cases) {
  test(`editConfigFile ${name}`, async () => {
    assert.equal(await edited(before, edit), expected);
  });
}

test('editConfigFile changes only the lines of the edited key in the example', async () => {
  const lines = example.split('\n');
  for (const edit of [addBob, rotateAlice, rotateAliceKeepingOld, removeAlice]) {
    const after = (await edited(example, edit)).split('\n');
    const removed = lines.filter((line) => !after.includes(line));
    assert.ok(removed.length <= 30 && removed.every((line) => !line.startsWith('#')), removed.join('\n'));
  }
  const settings = example.slice(0, example.indexOf('keys:\n'));
  assert.ok((await edited(example, removeAlice)).startsWith(settings));
});

for (const [layout, before] of [
  ['in braces', `keys: [{name: alice, hash: "${hash(1)}"}, {name: carol, hash: "${hash(4)}"}] # who\nstrict: true\n`],
  [
    'in JSON',
    JSON.stringify({
      strict: true,
      keys: [
        { name: 'alice', hash: hash(1) },
        { name: 'carol', hash: hash(4) },
      ],
    }),
  ],
  [
    'with an anchor',
    `keys:\n  - &a {name: alice, hash: "${hash(1)}"}\n  - {name: carol, hash: "${hash(4)}"}\nstrict: true\n`,
  ],
  [
    'with the hash first',
    `keys:\n- hash: ${hash(1)}\n  name: alice\n- name: carol\n  hash: ${hash(4)}\nstrict: true\n`,
  ],
  [
    'with the retiring hash first',
    `keys:\n- retiring:\n    hash: ${hash(1)}\n    until: ${until}\n  hash: ${hash(5)}\n  name: alice\nstrict: true\n`,
  ],
] as const) {
  test(`editConfigFile edits keys written ${layout}`, async () => {
    const { keys, ...rest } = parseConfig(before, '');
    const [, ...others] = keys;
    const expected: readonly [KeyEdit, typeof keys][] = [
      [addBob, [...keys, { name: 'bob', hash: hash(2), scopes: ['inference'] }]],
      [removeAlice, others],
      [rotateAlice, [{ name: 'alice', hash: hash(3), scopes: ['inference'] }, ...others]],
      [
        rotateAliceKeepingOld,
        [{ name: 'alice', hash: hash(3), scopes: ['inference'], retiring: [{ hash: hash(1), until }] }, ...others],
      ],
      [
        rotateAliceKeepingTwo,
        [{ name: 'alice', hash: hash(3), scopes: ['inference'], retiring: rotateAliceKeepingTwo.retiring }, ...others],
      ],
    ];
    for (const [edit, wanted] of expected) {
      assert.deepEqual(parseConfig(await edited(before, edit), ''), { ...rest, keys: wanted });
    }
  });
}

for (const [layout, before] of [
  [
    'in braces',
    `keys:\n  - {name: alice, hash: "${hash(1)}", scopes: &s [metrics]}\n  - {name: carol, hash: "${hash(2)}", scopes: *s}\n`,
  ],
  [
    'in lines',
    `keys:\n- name: alice\n  hash: ${hash(1)}\n  scopes: &s [metrics]\n- name: carol\n  hash: ${hash(2)}\n  scopes: *s\n`,
  ],
] as const) {
  test(`editConfigFile refuses to remove a key written ${layout} whose anchor another key uses`, async () => {
    const message = `other settings in ${file} refer to this key by a YAML alias; edit the file by hand`;
    await assert.rejects(edited(before, removeAlice), { name: 'ConfigError', message });
    assert.equal(readFileSync(file, 'utf8'), before);
  });
}

test('editConfigFile rejects an invalid file before it calls decide', async () => {
  writeFileSync(file, 'strict: perhaps\n');
  let called = false;
  const edit = editConfigFile(file, () => {
    called = true;
    return addBob;
  });
  await assert.rejects(edit, { name: 'ConfigError', message: /llamaduct\.yaml:1:9: strict: / });
  assert.deepEqual([called, readFileSync(file, 'utf8')], [false, 'strict: perhaps\n']);
  assert.deepEqual(readdirSync(folder), ['llamaduct.yaml']);
});

test('editConfigFile rejects a missing file', async () => {
  const missing = editConfigFile(join(folder, 'missing.yaml'), () => addBob);
  await assert.rejects(missing, { name: 'ConfigError', message: /^cannot read the configuration file: ENOENT/ });
});

test('editConfigFile passes on an error of decide and leaves no temporary file', async () => {
  writeFileSync(file, '');
  const thrown = new Error('no');
  const edit = editConfigFile(file, () => {
    throw thrown;
  });
  await assert.rejects(edit, thrown);
  assert.deepEqual(readdirSync(folder), ['llamaduct.yaml']);
});

test('editConfigFile replaces the file atomically and keeps its mode', async () => {
  writeFileSync(file, commented);
  chmodSync(file, 0o640);
  const { ino } = statSync(file);
  await editConfigFile(file, () => addBob);
  assert.equal(statSync(file).mode & 0o7777, 0o640);
  assert.notEqual(statSync(file).ino, ino, 'the old file is not overwritten, so that a reader can still finish it');
});

test('editConfigFile edits the target of a symbolic link and keeps the link', async () => {
  writeFileSync(file, commented);
  const link = join(folder, 'link.yaml');
  symlinkSync('llamaduct.yaml', link);
  await editConfigFile(link, () => rotateAlice);
  assert.equal(readlinkSync(link), 'llamaduct.yaml');
  assert.equal(readFileSync(file, 'utf8'), commented.replace(hash(1), hash(3)));
  rmSync(link);
});

test('editConfigFile applies all of several concurrent edits', async () => {
  writeFileSync(file, commented);
  const names = Array.from({ length: 8 }, (_, index) => `key-${index}`);
  await Promise.all(
    names.map(async (name, index) => {
      await editConfigFile(file, () => ({ kind: 'add', key: { name, hash: hash(index + 2), scopes: ['inference'] } }));
    }),
  );
  const { keys } = parseConfig(readFileSync(file, 'utf8'), '');
  assert.deepEqual(new Set(keys.map(({ name }) => name)), new Set(['alice', ...names]));
});

test('editConfigFile reports the lock file of an edit that was interrupted and keeps it', async () => {
  writeFileSync(file, '');
  const left = join(folder, '.llamaduct.yaml.new');
  writeFileSync(left, 'half');
  const message = `another edit of the configuration file is running; if none is, delete ${left}`;
  await assert.rejects(
    editConfigFile(file, () => addBob),
    { name: 'ConfigError', message },
  );
  assert.ok(existsSync(left));
  rmSync(left);
});
