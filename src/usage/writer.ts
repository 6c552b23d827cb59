import type { DatabaseSync, SQLInputValue } from 'node:sqlite';

/** Writes rows, and keeps for a while those that another process, which holds the file, is in the way of. */
export interface RowWriter {
  /** Has a row written when this turn of the event loop is over, with all others of it. Never throws. */
  write(row: readonly SQLInputValue[]): void;
  /** Writes what was kept, if that needs no waiting. Never throws. */
  catchUp(): void;
  /** Writes what was kept; what cannot be written by now is lost. */
  close(): void;
}

/** Milliseconds that rows wait for another process. All of llamaduct stands still meanwhile. */
const writeDeadline = 50;

/** Milliseconds that what was kept waits at the end. */
const closeDeadline = 1_000;

/** Milliseconds between two attempts to write what was kept. */
const pause = 100;

const maxKept = 10_000;

/** Rows written at a time: some tens of milliseconds in which nothing else happens. */
const batch = 1000;

/**
 * @param insert a statement that takes the values of a row
 * @param onError told of each row that is lost
 */
export function writeRows(database: DatabaseSync, insert: string, onError: (error: unknown) => void): RowWriter {
  const statement = database.prepare(insert);
  const begin = database.prepare('BEGIN IMMEDIATE');
  const commit = database.prepare('COMMIT');
  const kept: (readonly SQLInputValue[])[] = [];
  let busy: unknown;
  let timer: NodeJS.Timeout | undefined;
  let turn: NodeJS.Immediate | undefined;

  const wait = (deadline: number): void => database.exec(`PRAGMA busy_timeout = ${deadline}`);
  wait(writeDeadline);

  /** @returns whether that is done with, be it by an error */
  const attempt = (row: readonly SQLInputValue[]): boolean => {
    try {
      statement.run(...row);
    } catch (error) {
      if (isBusy(error)) {
        busy = error;
        return false;
      }
      onError(error);
    }
    return true;
  };
  /** @returns how many of them are done with */
  const oneByOne = (rows: typeof kept): number => {
    const stuck = rows.findIndex((row) => !attempt(row));
    return stuck === -1 ? rows.length : stuck;
  };
  /** In one transaction, which costs more than its rows. @returns the same; undefined where something is wrong with one */
  const together = (rows: typeof kept): number | undefined => {
    try {
      begin.run();
      for (const row of rows) statement.run(...row);
      commit.run();
      return rows.length;
    } catch (error) {
      if (database.isOpen && database.isTransaction) database.exec('ROLLBACK');
      if (!isBusy(error)) return undefined;
      busy = error;
      return 0;
    }
  };
  const writeSome = (most: number): void => {
    const rows = kept.slice(0, most);
    const done = (rows.length > 1 ? together(rows) : undefined) ?? oneByOne(rows);
    kept.splice(0, done);
  };
  const writeKept = (deadline: number, most: number): void => {
    if (kept.length === 0) return;
    wait(deadline);
    writeSome(most);
    wait(writeDeadline);
  };
  const tryLater = (): void => {
    clearTimeout(timer);
    timer = kept.length > 0 ? setTimeout(catchUp, pause).unref() : undefined;
  };
  const catchUp = (): void => {
    writeKept(0, batch);
    tryLater();
  };
  const endTurn = (): void => {
    clearImmediate(turn);
    turn = undefined;
    writeSome(batch);
    tryLater();
  };
  return {
    write(row) {
      kept.push(row);
      // Behind those that could not be written it would only wait as long as they do.
      if (timer === undefined) {
        if (kept.length < batch) turn ??= setImmediate(endTurn);
        else endTurn();
      }
      if (kept.length <= maxKept) return;
      kept.shift();
      onError(busy);
    },
    catchUp,
    close() {
      clearTimeout(timer);
      clearImmediate(turn);
      writeKept(closeDeadline, maxKept);
      for (const _ of kept.splice(0)) onError(busy);
    },
  };
}

/** Whether an error of SQLite says that another process holds the file. @see https://www.sqlite.org/rescode.html#busy */
export function isBusy(error: unknown): boolean {
  return ((error as { errcode?: number }).errcode ?? 0) % 256 === 5;
}
