import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';

/** Milliseconds that rows wait for another process. All of llamaduct stands still meanwhile. */
const writeDeadline = 50;

/** Milliseconds that what was kept waits at the end. */
const closeDeadline = 1_000;

/** Milliseconds between two attempts to write what was kept. */
const pause = 100;

const maxKept = 10_000;

/** Rows written at a time: some tens of milliseconds in which nothing else happens. */
const batch = 1000;

type Row = readonly SQLInputValue[];

/** Writes rows, and keeps for a while those that another process, which holds the file, is in the way of. */
export class RowWriter {
  readonly #database: DatabaseSync;
  readonly #onError: (error: unknown) => void;
  readonly #insert: StatementSync;
  readonly #begin: StatementSync;
  readonly #commit: StatementSync;
  readonly #kept: Row[] = [];
  /** That another process holds the file, as SQLite said it last. */
  #busy: unknown;
  #turn: NodeJS.Immediate | undefined;
  /** Set while another process is in the way. */
  #retry: NodeJS.Timeout | undefined;

  /**
   * @param insert a statement that takes the values of a row
   * @param onError told of each row that is lost
   */
  constructor(database: DatabaseSync, insert: string, onError: (error: unknown) => void) {
    this.#database = database;
    this.#onError = onError;
    this.#insert = database.prepare(insert);
    this.#begin = database.prepare('BEGIN IMMEDIATE');
    this.#commit = database.prepare('COMMIT');
    this.#wait(writeDeadline);
  }

  /** Has a row written when this turn of the event loop is over, with all others of it. Never throws. */
  write(row: Row): void {
    const kept = this.#kept;
    kept.push(row);
    // Behind those that could not be written it would only wait as long as they do.
    if (this.#retry === undefined) {
      if (kept.length < batch) this.#turn ??= setImmediate(() => this.#endTurn());
      else this.#endTurn();
    }
    if (kept.length <= maxKept) return;
    kept.shift();
    this.#onError(this.#busy);
  }

  /** Writes what was kept, if that needs no waiting. Never throws. */
  catchUp(): void {
    this.#writeWithin(0, batch);
    this.#tryLater();
  }

  /** Writes what was kept; what cannot be written by now is lost. */
  close(): void {
    clearTimeout(this.#retry);
    clearImmediate(this.#turn);
    // What comes later is told to be lost.
    this.#retry = this.#turn = undefined;
    this.#writeWithin(closeDeadline, maxKept);
    for (const _ of this.#kept.splice(0)) this.#onError(this.#busy);
  }

  #endTurn(): void {
    clearImmediate(this.#turn);
    this.#turn = undefined;
    this.#write(batch);
    this.#tryLater();
  }

  #tryLater(): void {
    clearTimeout(this.#retry);
    this.#retry = this.#kept.length > 0 ? setTimeout(() => this.catchUp(), pause).unref() : undefined;
  }

  #writeWithin(deadline: number, most: number): void {
    if (this.#kept.length === 0) return;
    this.#wait(deadline);
    this.#write(most);
    this.#wait(writeDeadline);
  }

  /** @param deadline milliseconds for other processes */
  #wait(deadline: number): void {
    this.#database.exec(`PRAGMA busy_timeout = ${deadline}`);
  }

  #write(most: number): void {
    const rows = this.#kept.slice(0, most);
    const done = (rows.length > 1 ? this.#together(rows) : undefined) ?? this.#oneByOne(rows);
    this.#kept.splice(0, done);
  }

  /** In one transaction, which costs more than its rows. @returns how many are done with; undefined where something is wrong with one */
  #together(rows: readonly Row[]): number | undefined {
    try {
      this.#begin.run();
      for (const row of rows) this.#insert.run(...row);
      this.#commit.run();
      return rows.length;
    } catch (error) {
      if (this.#database.isOpen && this.#database.isTransaction) this.#database.exec('ROLLBACK');
      if (!isBusy(error)) return undefined;
      this.#busy = error;
      return 0;
    }
  }

  /** @returns how many are done with, be it by an error */
  #oneByOne(rows: readonly Row[]): number {
    const stuck = rows.findIndex((row) => !this.#attempt(row));
    return stuck === -1 ? rows.length : stuck;
  }

  #attempt(row: Row): boolean {
    try {
      this.#insert.run(...row);
    } catch (error) {
      if (isBusy(error)) {
        this.#busy = error;
        return false;
      }
      this.#onError(error);
    }
    return true;
  }
}

/** Whether an error of SQLite says that another process holds the file. @see https://www.sqlite.org/rescode.html#busy */
export function isBusy(error: unknown): boolean {
  return ((error as { errcode?: number }).errcode ?? 0) % 256 === 5;
}

/**
 * Runs `callback` once the rows recorded in this turn of the event loop are committed, so that a client that has its whole
 * answer finds it in the usage, even if the process is killed right then. RowWriter commits in an immediate, and immediates
 * run in the order they were set.
 */
export function afterUsageRows(callback: () => void): void {
  setImmediate(callback);
}
