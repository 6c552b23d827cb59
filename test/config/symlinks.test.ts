import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { concerns, pathsTo } from '../../src/config/watch/symlinks.ts';

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'llamaduct-symlinks-')));
after(() => rmSync(folder, { recursive: true }));

const watched = new Map([['/etc/llamaduct', new Set(['llamaduct.yaml', '..data'])]]);

for (const [directory, name, expected] of [
  ['/etc/llamaduct', 'llamaduct.yaml', true],
  ['/etc/llamaduct', '..data', true],
  ['/etc/llamaduct', 'Llamaduct.YAML', true],
  ['/etc/llamaduct', 'usage.db-wal', false],
  ['/etc/llamaduct', null, true],
] as const) {
  test(`concerns() is ${expected} for an event about ${name} in a watched directory`, () => {
    assert.equal(concerns(watched, directory, name), expected);
  });
}

test('pathsTo finds the file and every symbolic link on the way to it', async () => {
  mkdirSync(join(folder, 'Release'));
  writeFileSync(join(folder, 'Release', 'llamaduct.yaml'), '');
  symlinkSync('Release', join(folder, 'current'));
  symlinkSync(join('current', 'llamaduct.yaml'), join(folder, 'link.yaml'));
  const paths = await pathsTo(join(folder, 'link.yaml'));
  assert.deepEqual(
    paths,
    new Map([
      [folder, new Set(['link.yaml', 'current'])],
      [join(folder, 'Release'), new Set(['llamaduct.yaml'])],
    ]),
  );
});

test('pathsTo ends in a loop of symbolic links', async () => {
  symlinkSync('loop.yaml', join(folder, 'loop.yaml'));
  assert.deepEqual(await pathsTo(join(folder, 'loop.yaml')), new Map([[folder, new Set(['loop.yaml'])]]));
});
