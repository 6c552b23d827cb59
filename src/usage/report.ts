import type { DatabaseSync } from 'node:sqlite';
import { hour } from './schema.ts';

export const groupings = ['key', 'model', 'group', 'day', 'outcome'] as const;

/** The field by which a report groups requests. Days are UTC's. */
export type Grouping = (typeof groupings)[number];

export interface UsageQuery {
  readonly by: Grouping;
  /** Milliseconds since the epoch, rounded down to the hour. */
  readonly since: number;
  /** Milliseconds since the epoch, exclusive, rounded up to the hour. Absent: no end. */
  readonly until?: number;
  /** Name of the only key to report. Absent: all keys. */
  readonly key?: string;
}

export interface UsageReport {
  /** Days in order of time; all other groups with the most tokens first. */
  readonly lines: readonly UsageLine[];
  /** True when lines were left out: earlier days, or groups that used fewer tokens. */
  readonly more: boolean;
}

export interface UsageLine {
  /** Name of the key, model, group or outcome, or the day (2027-01-31); null for requests without a group. */
  readonly name: string | null;
  readonly requests: number;
  /** Requests with any outcome but `ok`, including those whose client disconnected. */
  readonly failed: number;
  readonly input_tokens: number;
  readonly output_tokens: number;
  readonly mean_duration_ms: number;
  readonly mean_queue_ms: number;
  readonly max_queue_ms: number;
}

/** Clients choose model names and may invent any number of them. */
const maxLines = 1000;

/** SQL expressions for a line's name. */
const nameColumns: Readonly<Record<Grouping, string>> = {
  key: '"key"',
  model: 'model',
  group: `nullif("group", '')`,
  day: `date(hour / 1000, 'unixepoch')`,
  outcome: 'outcome',
};

/** Sums the usage by group. @throws {Error} from SQLite */
export function createReport(database: DatabaseSync, { by, since, until, key }: UsageQuery): UsageReport {
  const name = nameColumns[by];
  const order =
    by === 'day' ? 'name DESC' : 'sum(input_tokens) + sum(output_tokens) DESC, sum(requests) DESC, name ASC';
  const statement = database.prepare(`
    SELECT
      ${name} AS name,
      sum(requests) AS requests,
      sum(iif(outcome = 'ok', 0, requests)) AS failed,
      sum(input_tokens) AS input_tokens,
      sum(output_tokens) AS output_tokens,
      sum(duration_ms) / sum(requests) AS mean_duration_ms,
      sum(queue_ms) / sum(requests) AS mean_queue_ms,
      max(max_queue_ms) AS max_queue_ms
    FROM sums
    WHERE hour >= ? AND hour < ? ${key === undefined ? '' : 'AND "key" = ?'}
    GROUP BY 1 ORDER BY ${order} LIMIT ?`);
  const from = hourOf(since);
  const to = until === undefined ? Number.MAX_SAFE_INTEGER : hourAfter(until);
  const rows = statement.all(from, to, ...(key === undefined ? [] : [key]), maxLines + 1);
  const lines = rows.slice(0, maxLines).map((line) => Object.assign({}, line) as unknown as UsageLine);
  return { lines: by === 'day' ? lines.toReversed() : lines, more: rows.length > maxLines };
}

/** @returns the start of the hour that contains `time`; both in milliseconds since the epoch */
export function hourOf(time: number): number {
  return Math.floor(time / hour) * hour;
}

/**
 * @returns the end of the hour that contains `time`, or `time` itself on the hour; both in milliseconds since the epoch
 */
export function hourAfter(time: number): number {
  return Math.ceil(time / hour) * hour;
}
