import type { DatabaseSync, SQLInputValue } from 'node:sqlite';

/** Writes rows, and keeps for a while those that another process, which holds the file, is in the way of. */
export interface RowWriter {
  /** Never throws. */
  write(row: readonly SQLInputValue[]): void;
  /** Writes what was kept, if that needs no waiting. Never throws. */
  catchUp(): void;
  /** Writes what was kept; what cannot be written by now is lost. */
  close(): void;
}

/** Milliseconds that a row waits for another process. All of llamaduct stands still meanwhile. */
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
  const kept: (readonly SQLInputValue[])[] = [];
  let busy: unknown;
  let timer: NodeJS.Timeout | undefined;

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
  const writeKept = (deadline: number, most: number): void => {
    wait(deadline);
    const stuck = kept.slice(0, most).findIndex((row) => !attempt(row));
    kept.splice(0, stuck === -1 ? most : stuck);
    wait(writeDeadline);
  };
  const catchUp = (): void => {
    if (kept.length > 0) writeKept(0, batch);
    clearTimeout(timer);
    timer = kept.length > 0 ? setTimeout(catchUp, pause).unref() : undefined;
  };
  return {
    write(row) {
      // Behind those that are kept: it would only wait as long as they did.
      if (kept.length === 0 && attempt(row)) return;
      kept.push(row);
      timer ??= setTimeout(catchUp, pause).unref();
      if (kept.length <= maxKept) return;
      kept.shift();
      onError(busy);
    },
    catchUp,
    close() {
      clearTimeout(timer);
      if (kept.length > 0) writeKept(closeDeadline, maxKept);
      for (const _ of kept.splice(0)) onError(busy);
    },
  };
}

/** Whether an error of SQLite says that another process holds the file. @see https://www.sqlite.org/rescode.html#busy */
export function isBusy(error: unknown): boolean {
  return ((error as { errcode?: number }).errcode ?? 0) % 256 === 5;
}
