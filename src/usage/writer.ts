import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';

/** Milliseconds that a write waits while another process holds the file. The whole process stands still meanwhile. */
const writeDeadline = 50;

/** Milliseconds that the last write waits, when the writer closes. */
const closeDeadline = 1_000;

/** Milliseconds until blocked rows are tried again. */
const retryDelay = 100;

/** Rows that are kept in memory while another process holds the file. */
const maxPending = 10_000;

/** Rows per write: some tens of milliseconds in which nothing else happens. */
const maxBatch = 1000;

type Row = readonly SQLInputValue[];

/** The tasks for the end of this turn of the event loop. */
interface TurnEnd {
  readonly commits: (() => void)[];
  readonly callbacks: (() => void)[];
}

let turnEnd: TurnEnd | undefined;

/**
 * Runs `callback` at the end of this turn of the event loop, after the usage rows that were recorded in it are
 * committed. The end of an answer waits for this, so that a client that has a complete answer finds it in the usage even
 * after `kill -9`. Rows that another process blocks are committed later; the callback does not wait for those.
 *
 * @param callback must not throw
 */
export function afterUsageRows(callback: () => void): void {
  atTurnEnd().callbacks.push(callback);
}

function atTurnEnd(): TurnEnd {
  if (turnEnd === undefined) {
    turnEnd = { commits: [], callbacks: [] };
    setImmediate(endTurn, turnEnd);
  }
  return turnEnd;
}

function endTurn({ commits, callbacks }: TurnEnd): void {
  turnEnd = undefined;
  for (const commit of commits) commit();
  for (const callback of callbacks) callback();
}

/** Inserts rows in batches, and keeps rows in memory while another process holds the file. */
export class RowWriter {
  readonly #database: DatabaseSync;
  readonly #onError: (error: unknown) => void;
  readonly #insert: StatementSync;
  readonly #begin: StatementSync;
  readonly #commit: StatementSync;
  readonly #pending: Row[] = [];
  /** The last error by which SQLite reported that another process holds the file. */
  #busyError: unknown;
  #isScheduled = false;
  /** Set while another process holds the file. */
  #retryTimer: NodeJS.Timeout | undefined;

  /**
   * @param insert an SQL statement with one parameter for each value of a row
   * @param onError called for each row that is lost
   */
  constructor(database: DatabaseSync, insert: string, onError: (error: unknown) => void) {
    this.#database = database;
    this.#onError = onError;
    this.#insert = database.prepare(insert);
    this.#begin = database.prepare('BEGIN IMMEDIATE');
    this.#commit = database.prepare('COMMIT');
    this.#setBusyTimeout(writeDeadline);
  }

  /**
   * Inserts a row at the end of this turn of the event loop, together with the other rows of that turn. If too many
   * rows are pending, the oldest one is lost. Never throws.
   */
  write(row: Row): void {
    this.#pending.push(row);
    // Rows behind blocked ones wait for the retry timer.
    if (this.#retryTimer === undefined) {
      if (this.#pending.length >= maxBatch) this.#writeBatch();
      else if (!this.#isScheduled) {
        this.#isScheduled = true;
        atTurnEnd().commits.push(this.#writeBatch);
      }
    }
    if (this.#pending.length <= maxPending) return;
    this.#pending.shift();
    this.#onError(this.#busyError);
  }

  /** Inserts pending rows unless that would mean waiting for another process. Never throws. */
  catchUp(): void {
    this.#writePending(0, maxBatch);
    this.#setRetryTimer();
  }

  /** Inserts all pending rows. Rows that still cannot be inserted are lost. */
  close(): void {
    clearTimeout(this.#retryTimer);
    // Later rows are reported as lost: the database is closed by then.
    this.#retryTimer = undefined;
    this.#writePending(closeDeadline, maxPending);
    for (const _ of this.#pending.splice(0)) this.#onError(this.#busyError);
  }

  readonly #writeBatch = (): void => {
    this.#isScheduled = false;
    this.#insertPending(maxBatch);
    this.#setRetryTimer();
  };

  #setRetryTimer(): void {
    clearTimeout(this.#retryTimer);
    this.#retryTimer = this.#pending.length > 0 ? setTimeout(() => this.catchUp(), retryDelay).unref() : undefined;
  }

  /** @param deadline milliseconds to wait for other processes */
  #writePending(deadline: number, max: number): void {
    if (this.#pending.length === 0) return;
    this.#setBusyTimeout(deadline);
    this.#insertPending(max);
    this.#setBusyTimeout(writeDeadline);
  }

  #setBusyTimeout(milliseconds: number): void {
    this.#database.exec(`PRAGMA busy_timeout = ${milliseconds}`);
  }

  #insertPending(max: number): void {
    const rows = this.#pending.slice(0, max);
    const done = (rows.length > 1 ? this.#insertTogether(rows) : undefined) ?? this.#insertEach(rows);
    this.#pending.splice(0, done);
  }

  /**
   * Inserts rows in one transaction, which costs more than its rows.
   *
   * @returns how many rows are done: all, or none while another process holds the file; undefined when one of them has
   *   an error
   */
  #insertTogether(rows: readonly Row[]): number | undefined {
    try {
      this.#begin.run();
      for (const row of rows) this.#insert.run(...row);
      this.#commit.run();
      return rows.length;
    } catch (error) {
      if (this.#database.isOpen && this.#database.isTransaction) this.#database.exec('ROLLBACK');
      if (!isBusy(error)) return undefined;
      this.#busyError = error;
      return 0;
    }
  }

  /**
   * @returns how many rows are done: inserted, or reported as lost; fewer than all while another process holds the file
   */
  #insertEach(rows: readonly Row[]): number {
    for (const [index, row] of rows.entries()) {
      try {
        this.#insert.run(...row);
      } catch (error) {
        if (isBusy(error)) {
          this.#busyError = error;
          return index;
        }
        this.#onError(error);
      }
    }
    return rows.length;
  }
}

/**
 * True when an error of SQLite means that another process holds the file.
 *
 * @see https://www.sqlite.org/rescode.html#busy
 */
export function isBusy(error: unknown): boolean {
  return ((error as { errcode?: number }).errcode ?? 0) % 256 === 5;
}
