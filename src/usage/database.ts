import { closeSync, openSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { ConfigError } from '../config/error.ts';
import { applicationId, formatVersion, sumsOnly, tables } from './schema.ts';

/** Milliseconds that opening waits for another process that writes. The whole process stands still meanwhile. */
const lockDeadline = 1_000;

/**
 * Opens a ledger for writing and creates it if needed. Only its owner can read the file and the files that SQLite
 * creates beside it. Several processes may have it open.
 *
 * @param file a path, or `:memory:`
 * @throws {ConfigError} with the reason why it cannot be opened
 */
export function openForWriting(file: string): DatabaseSync {
  return withReason(file, () => {
    if (file === ':memory:') {
      const database = prepare(new DatabaseSync(file));
      database.exec(sumsOnly);
      return database;
    }
    // Absolute, because SQLite would parse a path that begins with `file:` as a URI.
    const path = resolve(file);
    closeSync(openSync(path, 'a', 0o600));
    return prepare(new DatabaseSync(path, { timeout: lockDeadline }));
  });
}

/**
 * Opens a ledger for reading, also while other processes write it.
 *
 * @throws {ConfigError} with the reason why it cannot be opened
 */
export function openForReading(file: string): DatabaseSync {
  return withReason(file, () => {
    const path = resolve(file);
    // SQLite reports every problem with a path by the same error.
    closeSync(openSync(path, 'r'));
    if (statSync(path).isDirectory()) throw new ConfigError(isDirectory);
    const database = new DatabaseSync(path, { readOnly: true, timeout: lockDeadline });
    return closeOnError(database, () => {
      if (transaction(database, 'BEGIN', () => formatOf(database)) === 0) throw new ConfigError('it is empty');
    });
  });
}

function prepare(database: DatabaseSync): DatabaseSync {
  return closeOnError(database, () => {
    // Checked before the first change: the file may belong to another program.
    transaction(database, 'BEGIN', () => formatOf(database));
    // In WAL mode, NORMAL survives the end of the process without an fsync per row; a power cut may lose the last rows.
    // A row changes little of two pages, which are written whole: small pages cost a third less.
    database.exec('PRAGMA page_size = 1024; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL');
    transaction(database, 'BEGIN IMMEDIATE', () => {
      if (formatOf(database) !== 0) return;
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
 * Reads the format of the file. Call it in a transaction: it reads several times, and another process may be creating
 * the tables.
 *
 * @returns the format; 0 for an empty file
 * @throws {ConfigError} when the file belongs to another program or a newer llamaduct
 */
function formatOf(database: DatabaseSync): number {
  const id = pragma(database, 'application_id');
  const format = pragma(database, 'user_version');
  if (id === 0 && format === 0) {
    const anyTable = database.prepare('SELECT 1 FROM sqlite_schema LIMIT 1').get();
    if (anyTable === undefined) return 0;
  }
  if (id !== applicationId) throw new ConfigError('it is a database of another program');
  if (format > formatVersion) {
    throw new ConfigError(
      `it was written by a newer llamaduct (format ${format}; this version supports up to ${formatVersion})`,
    );
  }
  return format;
}

function pragma(database: DatabaseSync, name: string): number {
  return Object.values(database.prepare(`PRAGMA ${name}`).get() ?? {})[0] as number;
}

function closeOnError(database: DatabaseSync, use: () => void): DatabaseSync {
  try {
    use();
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

function withReason(file: string, open: () => DatabaseSync): DatabaseSync {
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
  EACCES: 'permission denied',
  EROFS: 'the file system is read-only',
};

function reason({ code = '', message }: NodeJS.ErrnoException): string {
  if (message === 'file is not a database') return 'it is not an SQLite database';
  return reasons[code] ?? message;
}
