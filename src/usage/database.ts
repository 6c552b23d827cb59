import { closeSync, openSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { ConfigError } from '../config/error.ts';
import { applicationId, formatVersion, sumsOnly, tables } from './schema.ts';

/** Milliseconds that opening waits for another process that writes. All of llamaduct stands still meanwhile. */
const lockDeadline = 1_000;

/**
 * Opens a ledger to be written, and makes it where there is none: readable to its owner only, and so are the files that
 * SQLite puts beside it. Several processes may have it open.
 *
 * @param file a path, or `:memory:`
 * @throws {ConfigError} saying why it cannot be opened
 */
export function openForWriting(file: string): DatabaseSync {
  return opened(file, () => {
    if (file === ':memory:') {
      const database = prepared(new DatabaseSync(file));
      database.exec(sumsOnly);
      return database;
    }
    // Absolute, because SQLite takes `file:` for the head of a URI.
    const path = resolve(file);
    closeSync(openSync(path, 'a', 0o600));
    return prepared(new DatabaseSync(path, { timeout: lockDeadline }));
  });
}

/**
 * Opens a ledger to be read, also while others write it.
 *
 * @throws {ConfigError} saying why it cannot be opened
 */
export function openForReading(file: string): DatabaseSync {
  return opened(file, () => {
    const path = resolve(file);
    // SQLite calls everything that is wrong with a path by the same name.
    closeSync(openSync(path, 'r'));
    if (statSync(path).isDirectory()) throw new ConfigError(isDirectory);
    const database = new DatabaseSync(path, { readOnly: true, timeout: lockDeadline });
    return closedOnError(database, () => {
      if (transaction(database, 'BEGIN', () => version(database)) === 0) throw new ConfigError('it holds nothing yet');
    });
  });
}

function prepared(database: DatabaseSync): DatabaseSync {
  return closedOnError(database, () => {
    // Before anything of it is changed: the file may be of another program.
    transaction(database, 'BEGIN', () => version(database));
    // In WAL mode NORMAL survives the end of the process without an fsync a row; a power cut may cost the last rows.
    // A row changes little of two pages, which are written whole: small ones cost a third less.
    database.exec('PRAGMA page_size = 1024; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL');
    transaction(database, 'BEGIN IMMEDIATE', () => {
      if (version(database) !== 0) return;
      database.exec(tables);
      database.exec(`PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${formatVersion}`);
    });
  });
}

function transaction<T>(database: DatabaseSync, begin: 'BEGIN' | 'BEGIN IMMEDIATE', run: () => T): T {
  database.exec(begin);
  try {
    const result = run();
    database.exec('COMMIT');
    return result;
  } catch (error) {
    if (database.isTransaction) database.exec('ROLLBACK');
    throw error;
  }
}

/**
 * Within a transaction only: these are several reads, and another process may be making the tables.
 *
 * @returns the file's format; 0 for one that is empty
 * @throws {ConfigError} for one that is not ours
 */
function version(database: DatabaseSync): number {
  const id = pragma(database, 'application_id');
  const found = pragma(database, 'user_version');
  if (id === 0 && found === 0) {
    const something = database.prepare('SELECT 1 FROM sqlite_schema LIMIT 1').get();
    if (something === undefined) return 0;
  }
  if (id !== applicationId) throw new ConfigError('it is a database of another program');
  if (found > formatVersion) {
    throw new ConfigError(
      `it was written by a newer llamaduct (format ${found}; this one knows up to ${formatVersion})`,
    );
  }
  return found;
}

function pragma(database: DatabaseSync, name: string): number {
  return Object.values(database.prepare(`PRAGMA ${name}`).get() ?? {})[0] as number;
}

function closedOnError(database: DatabaseSync, use: () => void): DatabaseSync {
  try {
    use();
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

function opened(file: string, open: () => DatabaseSync): DatabaseSync {
  try {
    return open();
  } catch (error) {
    throw new ConfigError(`usage.file: cannot open ${file}: ${reason(error as NodeJS.ErrnoException)}`);
  }
}

const isDirectory = 'it is a directory';

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'its directory does not exist',
  ENOTDIR: 'its directory is a file',
  EISDIR: isDirectory,
  EACCES: 'this user may not open it',
  EROFS: 'the file system is read-only',
};

function reason({ code = '', message }: NodeJS.ErrnoException): string {
  if (message === 'file is not a database') return 'it is not an SQLite database';
  return reasons[code] ?? message;
}
