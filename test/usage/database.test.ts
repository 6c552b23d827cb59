import assert from 'node:assert/strict';
import { mkdirSync, statSync, writeFileSync } from 'node:fs';
import { basename, join, relative } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { suite, test } from 'node:test';
import { setImmediate as turnOver } from 'node:timers/promises';
import { UsageLedger } from '../../src/usage/ledger.ts';
import { openForReading } from '../../src/usage/database.ts';
import { start } from '../cli/run.ts';
import { day, noon, row, temporaryFolder } from './rows.ts';

const folder = temporaryFolder();
const forGood = 100 * 365 * day;

function mode(file: string): string {
  return (statSync(file).mode & 0o777).toString(8);
}

function foreign(name: string, sql: string): string {
  const file = join(folder, name);
  const database = new DatabaseSync(file);
  database.exec(sql);
  database.close();
  return file;
}

test('what the ledger writes is its owner’s only', () => {
  const file = join(folder, 'private.db');
  const ledger = new UsageLedger(file, forGood);
  ledger.record(row());
  assert.deepEqual(
    ['', '-wal', '-shm'].map((end) => mode(file + end)),
    ['600', '600', '600'],
  );
  ledger.close();
});

test('a relative path, or one that looks like a URI, is a path', () => {
  for (const name of ['relative.db', 'file:uri.db?mode=memory']) {
    const file = join(folder, name);
    const ledger = new UsageLedger(relative('.', file), forGood);
    ledger.record(row());
    ledger.close();
    assert.ok(statSync(file).size > 0, basename(file));
  }
});

suite('a file that is not to be used is refused with the reason, and left as it is', () => {
  mkdirSync(join(folder, 'folder'));
  const text = join(folder, 'text.db');
  writeFileSync(text, 'not a database. '.repeat(500));
  for (const [name, file, message] of [
    ['no directory', join(folder, 'none', 'usage.db'), /its directory does not exist$/],
    ['a file for a directory', join(text, 'usage.db'), /its directory is a file$/],
    ['a directory', join(folder, 'folder'), /it is a directory$/],
    ['text', text, /it is not an SQLite database$/],
    ["another program's", foreign('notes.db', 'CREATE TABLE notes (a)'), /it is a database of another program$/],
    ['another id', foreign('id.db', 'PRAGMA application_id = 7'), /it is a database of another program$/],
    ['another version', foreign('version.db', 'PRAGMA user_version = 1'), /it is a database of another program$/],
    [
      'a later llamaduct',
      foreign('newer.db', 'PRAGMA application_id = 0x6c6c6475; PRAGMA user_version = 2'),
      /it was written by a newer llamaduct \(format 2; this one knows up to 1\)$/,
    ],
  ] as const) {
    test(name, () => {
      const size = statSync(file, { throwIfNoEntry: false })?.size;
      for (const open of [() => new UsageLedger(file, forGood), () => openForReading(file)]) {
        assert.throws(open, (error: Error) => {
          assert.equal(error.name, 'ConfigError');
          assert.ok(error.message.startsWith(`usage.file: cannot open ${file}: `));
          assert.match(error.message, message);
          return true;
        });
      }
      assert.equal(statSync(file, { throwIfNoEntry: false })?.size, size);
    });
  }
});

test('an empty file is made a ledger, but cannot be read before', () => {
  const file = join(folder, 'empty.db');
  writeFileSync(file, '');
  assert.throws(() => openForReading(file), { name: 'ConfigError', message: /it holds nothing yet$/ });
  new UsageLedger(file, forGood).close();
  openForReading(file).close();
});

test('reading neither waits for the writer nor stops it', async () => {
  const file = join(folder, 'both.db');
  const ledger = new UsageLedger(file, forGood, (error) => assert.fail(String(error)));
  const reader = openForReading(file);
  reader.exec('BEGIN');
  const count = (): unknown => reader.prepare('SELECT count(*) AS n FROM requests').get()?.['n'];
  assert.equal(count(), 0);
  ledger.record(row());
  await turnOver();
  assert.equal(count(), 0);
  reader.exec('COMMIT');
  assert.equal(count(), 1);
  assert.throws(() => reader.exec('DELETE FROM requests'), /readonly/);
  reader.close();
  ledger.close();
});

test('several processes make one ledger and write it side by side', async () => {
  const file = join(folder, 'shared.db');
  const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];
  const writer = join(import.meta.dirname, 'writer.ts');
  const ended = await Promise.all(names.map((name) => start(process.execPath, [writer, file, name, '200']).ended));
  assert.deepEqual(
    ended.map(({ code, stderr }) => [code, stderr]),
    names.map(() => [0, '']),
  );
  const ledger = new UsageLedger(file, forGood);
  const { lines } = ledger.report({ by: 'key', since: noon });
  assert.deepEqual(
    lines.map(({ name, requests }) => [name, requests]),
    names.map((name) => [name, 200]),
  );
  ledger.close();
});
