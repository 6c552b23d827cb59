import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';
import { openForWriting } from './database.ts';
import { type UsageQuery, type UsageReport, hourOf, report } from './report.ts';
import { hour } from './schema.ts';
import { RowWriter, isBusy } from './writer.ts';

/** One request that ended; never anything of its content. */
export interface UsageRow {
  /** Milliseconds since the epoch. */
  readonly time: number;
  readonly id: string;
  readonly key: string;
  readonly group?: string;
  readonly model: string;
  readonly route: string;
  readonly upstream?: string;
  /** `ok`, or how it failed. */
  readonly outcome: string;
  readonly status: number;
  readonly input_tokens: number;
  readonly output_tokens: number;
  readonly duration_ms: number;
  readonly queue_ms: number;
}

/** Rows deleted at a time: some milliseconds in which nothing else happens. */
const batch = 1000;

/** Rows looked through for those that are too old. */
const looked = 100_000;

/** Milliseconds between two batches. */
const pause = 50;

/** Milliseconds until what is old is tried again while another process holds the file. */
const retry = 1_000;

/** Milliseconds that sums are kept at least: a month, whatever is decided about rows. */
const monthAtLeast = 32 * 24 * hour;

/** Ids and models are what clients say they are. */
const maxText = 200;

/** Its sums stay whole numbers that JavaScript can hold. */
const maxNumber = 2 ** 31 - 1;

/**
 * Who used how much, in SQLite. What was recorded before this turn of the event loop is still there after the process was
 * killed, but for what it could not write as another process held the file.
 */
export class UsageLedger {
  readonly #database: DatabaseSync;
  readonly #retention: number;
  readonly #onError: (error: unknown) => void;
  readonly #rows: RowWriter;
  readonly #spentByKey: StatementSync;
  readonly #spentByGroup: StatementSync;
  #timer: NodeJS.Timeout | undefined;

  /**
   * @param file a path, or `:memory:`, where only sums are kept as nothing can read rows
   * @param retention milliseconds that rows are kept; sums by the hour are kept as long, and at least a month
   * @param onError told of rows that could not be written, and of old ones that could not be deleted
   * @throws {ConfigError} when the file cannot be opened
   */
  constructor(file: string, retention: number, onError: (error: unknown) => void = () => undefined) {
    this.#database = openForWriting(file);
    this.#retention = retention;
    this.#onError = onError;
    const insert = 'INSERT INTO requests VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)';
    this.#rows = new RowWriter(this.#database, insert, onError);
    const spent = 'SELECT ifnull(sum(input_tokens + output_tokens), 0) AS tokens FROM sums WHERE';
    this.#spentByKey = this.#database.prepare(`${spent} "key" = ? AND hour >= ?`);
    this.#spentByGroup = this.#database.prepare(`${spent} "group" = ? AND hour >= ?`);
    this.#sweep();
  }

  /** Writes a row down at the end of this turn of the event loop; later, where another process holds the file. Never throws. */
  record(row: UsageRow): void {
    this.#rows.write(valuesOf(row));
  }

  /**
   * Tokens of prompts and answers.
   *
   * @param holder `key:NAME` or `group:NAME`
   * @param since milliseconds since the epoch, at most a month ago; counts from the beginning of its hour
   * @throws {Error} of SQLite
   */
  spent(holder: string, since: number): number {
    this.#rows.catchUp();
    const statement = holder.startsWith('key:') ? this.#spentByKey : this.#spentByGroup;
    const { tokens } = statement.get(holder.slice(holder.indexOf(':') + 1), hourOf(since)) as { tokens: number };
    return tokens;
  }

  /** @throws {Error} of SQLite */
  report(query: UsageQuery): UsageReport {
    this.#rows.catchUp();
    return report(this.#database, query);
  }

  /**
   * Deletes what is too old: sums, and a batch of rows.
   *
   * @returns how many rows; as many as a batch has when there may be more
   * @throws {Error} of SQLite
   */
  prune(now: number): number {
    const keepSums = Math.max(this.#retention, monthAtLeast);
    this.#database.prepare('DELETE FROM sums WHERE hour < ?').run(hourOf(now - keepSums));
    // Rows are in the order of their times, but for those of a clock that was wrong: an index would be one page more to write
    // for each.
    const first = `time < ? AND rowid < (SELECT min(rowid) FROM requests) + ${looked} LIMIT ${batch}`;
    const { changes } = this.#database
      .prepare(`DELETE FROM requests WHERE rowid IN (SELECT rowid FROM requests WHERE ${first})`)
      .run(now - this.#retention);
    return Number(changes);
  }

  /** Deletes what is too old, now and from time to time. */
  #sweep(): void {
    let next = hour;
    try {
      if (this.prune(Date.now()) === batch) next = pause;
    } catch (error) {
      if (isBusy(error)) next = retry;
      else this.#onError(error);
    }
    this.#timer = setTimeout(() => this.#sweep(), next).unref();
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#rows.close();
    if (this.#database.isOpen) this.#database.close();
  }
}

function valuesOf(row: UsageRow): SQLInputValue[] {
  return [
    Math.trunc(row.time),
    cut(row.id),
    cut(row.key),
    row.group === undefined ? null : cut(row.group),
    cut(row.model),
    cut(row.route),
    row.upstream === undefined ? null : cut(row.upstream),
    cut(row.outcome),
    whole(row.status),
    whole(row.input_tokens),
    whole(row.output_tokens),
    whole(row.duration_ms),
    whole(row.queue_ms),
  ];
}

function cut(text: string): string {
  return text.slice(0, maxText);
}

function whole(value: number): number {
  return Math.min(Math.max(Math.round(value) || 0, 0), maxNumber);
}
