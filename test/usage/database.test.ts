import assert from 'node:assert/strict';
import { mkdirSync, statSync, writeFileSync } from 'node:fs';
import { basename, join, relative } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { suite, test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { UsageLedger } from '../../src/usage/ledger.ts';
import { openForReading } from '../../src/usage/database.ts';
import { start } from '../cli/run.ts';
import { day, noon, row, temporaryFolder } from './rows.ts';

const folder = temporaryFolder();
const century = 100 * 365 * day;

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

test('only its owner can read the files of a ledger', () => {
  const file = join(folder, 'private.db');
  const ledger = new UsageLedger(file, century);
  ledger.record(row());
  assert.deepEqual(
    ['', '-wal', '-shm'].map((end) => mode(file + end)),
    ['600', '600', '600'],
  );
  ledger.close();
});

test('opens a relative path, and a path that looks like a URI', () => {
  for (const name of ['relative.db', 'file:uri.db?mode=memory']) {
    const file = join(folder, name);
    const ledger = new UsageLedger(relative('.', file), century);
    ledger.record(row());
    ledger.close();
    assert.ok(statSync(file).size > 0, basename(file));
  }
});

suite('an unusable file is refused with the reason and left unchanged', () => {
  mkdirSync(join(folder, 'folder'));
  const text = join(folder, 'text.db');
  writeFileSync(text, 'not a database. '.repeat(500));
  for (const [name, file, message] of [
    ['in a missing directory', join(folder, 'none', 'usage.db'), /its directory does not exist$/],
    ['whose directory is a file', join(text, 'usage.db'), /its directory is a file$/],
    ['a directory', join(folder, 'folder'), /it is a directory$/],
    ['text', text, /it is not an SQLite database$/],
    ['of another program', foreign('notes.db', 'CREATE TABLE notes (a)'), /it is a database of another program$/],
    [
      'with another application id',
      foreign('id.db', 'PRAGMA application_id = 7'),
      /it is a database of another program$/,
    ],
    [
      'with a version but no application id',
      foreign('version.db', 'PRAGMA user_version = 1'),
      /it is a database of another program$/,
    ],
    [
      'of a newer llamaduct',
      foreign('newer.db', 'PRAGMA application_id = 0x6c6c6475; PRAGMA user_version = 2'),
      /it was written by a newer llamaduct \(format 2; this version supports up to 1\)$/,
    ],
  ] as const) {
    test(name, () => {
      const size = statSync(file, { throwIfNoEntry: false })?.size;
      for (const open of [() => new UsageLedger(file, century), () => openForReading(file)]) {
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

test('creates a ledger in an empty file, which cannot be read before', () => {
  const file = join(folder, 'empty.db');
  writeFileSync(file, '');
  assert.throws(() => openForReading(file), { name: 'ConfigError', message: /it is empty$/ });
  new UsageLedger(file, century).close();
  openForReading(file).close();
});

test('reading neither waits for the writer nor blocks it', async () => {
  const file = join(folder, 'both.db');
  const ledger = new UsageLedger(file, century, (error) => assert.fail(String(error)));
  const reader = openForReading(file);
  reader.exec('BEGIN');
  const count = (): unknown => reader.prepare('SELECT count(*) AS n FROM requests').get()?.['n'];
  assert.equal(count(), 0);
  ledger.record(row());
  await nextTurn();
  assert.equal(count(), 0);
  reader.exec('COMMIT');
  assert.equal(count(), 1);
  assert.throws(() => reader.exec('DELETE FROM requests'), /readonly/);
  reader.close();
  ledger.close();
});

test('several processes create and write one ledger concurrently', async () => {
  const file = join(folder, 'shared.db');
  const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];
  const writer = join(import.meta.dirname, 'writer.ts');
  const ended = await Promise.all(names.map((name) => start(process.execPath, [writer, file, name, '200']).ended));
  assert.deepEqual(
    ended.map(({ code, stderr }) => [code, stderr]),
    names.map(() => [0, '']),
  );
  const ledger = new UsageLedger(file, century);
  const { lines } = ledger.report({ by: 'key', since: noon });
  assert.deepEqual(
    lines.map(({ name, requests }) => [name, requests]),
    names.map((name) => [name, 200]),
  );
  ledger.close();
});
