import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';
import { openForWriting } from './database.ts';
import { type UsageQuery, type UsageReport, createReport, hourOf } from './report.ts';
import { hour } from './schema.ts';
import { RowWriter, isBusy } from './writer.ts';

/** One request that has ended. Holds nothing of prompts or answers. */
export interface UsageRow {
  /** Milliseconds since the epoch. */
  readonly time: number;
  readonly id: string;
  readonly key: string;
  readonly group?: string;
  readonly model: string;
  readonly route: string;
  readonly upstream?: string;
  /** `ok`, or the kind of failure. */
  readonly outcome: string;
  readonly status: number;
  readonly input_tokens: number;
  readonly output_tokens: number;
  readonly duration_ms: number;
  readonly queue_ms: number;
}

/** Rows deleted at a time: some milliseconds in which nothing else happens. */
const pruneBatch = 1000;

/** Oldest rows among which expired ones are searched. */
const pruneWindow = 100_000;

/** Milliseconds between two batches. */
const pruneBatchDelay = 50;

/** Milliseconds until pruning is tried again when another process holds the file. */
const pruneRetryDelay = 1_000;

/**
 * Milliseconds that sums are kept at least: monthly budgets need a month of them, however short the retention of rows
 * is.
 */
const minSumRetention = 32 * 24 * hour;

/** Characters of a text: clients choose ids and model names. */
const maxTextLength = 200;

/** Keeps the sums within the integers that JavaScript represents exactly. */
const maxNumber = 2 ** 31 - 1;

/**
 * Usage per request, stored in SQLite. Rows of earlier turns of the event loop survive `kill -9`, except rows that
 * another process kept from being written by holding the file.
 */
export class UsageLedger {
  readonly #database: DatabaseSync;
  #retention: number;
  readonly #onError: (error: unknown) => void;
  readonly #rows: RowWriter;
  readonly #spentByKey: StatementSync;
  readonly #spentByGroup: StatementSync;
  #pruneTimer: NodeJS.Timeout | undefined;

  /**
   * @param file a path, or `:memory:`, which keeps only sums, because nothing can read its rows
   * @param retention milliseconds that rows are kept; hourly sums are kept as long, and at least a month
   * @param onError called for each row that is lost, and when expired rows cannot be deleted
   * @throws {ConfigError} when the file cannot be opened
   */
  constructor(file: string, retention: number, onError: (error: unknown) => void = () => undefined) {
    this.#database = openForWriting(file);
    this.#retention = retention;
    this.#onError = onError;
    const insert = 'INSERT INTO requests VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)';
    this.#rows = new RowWriter(this.#database, insert, onError);
    const sumTokens = 'SELECT ifnull(sum(input_tokens + output_tokens), 0) AS tokens FROM sums WHERE';
    this.#spentByKey = this.#database.prepare(`${sumTokens} "key" = ? AND hour >= ?`);
    this.#spentByGroup = this.#database.prepare(`${sumTokens} "group" = ? AND hour >= ?`);
    this.#schedulePruning();
  }

  /** @param retention milliseconds that rows are kept from now on */
  use(retention: number): void {
    this.#retention = retention;
  }

  /**
   * Writes a row at the end of this turn of the event loop, or later while another process holds the file. Never
   * throws.
   *
   * @see afterUsageRows
   */
  record(row: UsageRow): void {
    this.#rows.write(valuesOf(row));
  }

  /**
   * Sums the tokens of prompts and answers of a key or a group.
   *
   * @param subjectId `key:NAME` or `group:NAME`
   * @param since milliseconds since the epoch, at most a month ago; rounded down to the hour
   * @returns tokens
   * @throws {Error} from SQLite
   */
  spent(subjectId: string, since: number): number {
    this.#rows.catchUp();
    const statement = subjectId.startsWith('key:') ? this.#spentByKey : this.#spentByGroup;
    const { tokens } = statement.get(subjectId.slice(subjectId.indexOf(':') + 1), hourOf(since)) as { tokens: number };
    return tokens;
  }

  /** @throws {Error} from SQLite */
  report(query: UsageQuery): UsageReport {
    this.#rows.catchUp();
    return createReport(this.#database, query);
  }

  /**
   * Deletes expired sums, and at most one batch of expired rows.
   *
   * @param now milliseconds since the epoch
   * @returns the number of deleted rows; a full batch when there may be more
   * @throws {Error} from SQLite
   */
  prune(now: number): number {
    const sumRetention = Math.max(this.#retention, minSumRetention);
    this.#database.prepare('DELETE FROM sums WHERE hour < ?').run(hourOf(now - sumRetention));
    // No index on time, which would cost one more page per row: rows are in order of time, unless the clock was wrong.
    const first = `time < ? AND rowid < (SELECT min(rowid) FROM requests) + ${pruneWindow} LIMIT ${pruneBatch}`;
    const { changes } = this.#database
      .prepare(`DELETE FROM requests WHERE rowid IN (SELECT rowid FROM requests WHERE ${first})`)
      .run(now - this.#retention);
    return Number(changes);
  }

  /** Prunes now, and again every hour; sooner while there are more expired rows. */
  #schedulePruning(): void {
    let delay = hour;
    try {
      if (this.prune(Date.now()) === pruneBatch) delay = pruneBatchDelay;
    } catch (error) {
      if (isBusy(error)) delay = pruneRetryDelay;
      else this.#onError(error);
    }
    this.#pruneTimer = setTimeout(() => this.#schedulePruning(), delay).unref();
  }

  close(): void {
    clearTimeout(this.#pruneTimer);
    this.#rows.close();
    if (this.#database.isOpen) this.#database.close();
  }
}

function valuesOf(row: UsageRow): SQLInputValue[] {
  return [
    Math.trunc(row.time),
    truncated(row.id),
    truncated(row.key),
    row.group === undefined ? null : truncated(row.group),
    truncated(row.model),
    truncated(row.route),
    row.upstream === undefined ? null : truncated(row.upstream),
    truncated(row.outcome),
    toCount(row.status),
    toCount(row.input_tokens),
    toCount(row.output_tokens),
    toCount(row.duration_ms),
    toCount(row.queue_ms),
  ];
}

function truncated(text: string): string {
  return text.slice(0, maxTextLength);
}

/** @returns the nearest integer from 0 to `maxNumber`; 0 for NaN */
function toCount(value: number): number {
  return Math.min(Math.max(Math.round(value) || 0, 0), maxNumber);
}
