import type { DatabaseSync } from 'node:sqlite';
import { hour } from './schema.ts';

export const groupings = ['key', 'model', 'group', 'day', 'outcome'] as const;

/** What the requests of one line of a report have in common. Days are those of UTC. */
export type Grouping = (typeof groupings)[number];

export interface UsageQuery {
  readonly by: Grouping;
  /** Milliseconds since the epoch. What is counted is whole hours: from the one this lies in, */
  readonly since: number;
  /** to the one before this, or that this lies in. Absent: all there is. */
  readonly until?: number;
  /** The name of the only key that counts. Absent: all do. */
  readonly key?: string;
}

export interface UsageReport {
  /** Days in their order, all else with the most tokens first. */
  readonly lines: readonly UsageLine[];
  /** Whether there are more lines: days before these, or what used less. */
  readonly more: boolean;
}

export interface UsageLine {
  /** Of the key, model, group, day (2027-01-31) or outcome; null for requests without a group. */
  readonly name: string | null;
  readonly requests: number;
  /** Those that did not end well, whosever fault it was: a client that left is among them. */
  readonly failed: number;
  readonly input_tokens: number;
  readonly output_tokens: number;
  readonly mean_duration_ms: number;
  readonly mean_queue_ms: number;
  readonly max_queue_ms: number;
}

/** The names of models come from clients, who may invent any number of them. */
const maxLines = 1000;

const names: Readonly<Record<Grouping, string>> = {
  key: '"key"',
  model: 'model',
  group: `nullif("group", '')`,
  day: `date(hour / 1000, 'unixepoch')`,
  outcome: 'outcome',
};

/** Adds up a ledger. @throws {Error} of SQLite */
export function report(database: DatabaseSync, { by, since, until, key }: UsageQuery): UsageReport {
  const name = names[by];
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
  const found = statement.all(from, to, ...(key === undefined ? [] : [key]), maxLines + 1);
  const lines = found.slice(0, maxLines).map((line) => Object.assign({}, line) as unknown as UsageLine);
  return { lines: by === 'day' ? lines.toReversed() : lines, more: found.length > maxLines };
}

/** When the hour of a time began. */
export function hourOf(time: number): number {
  return Math.floor(time / hour) * hour;
}

/** When the hour of a time is over; a whole hour is itself. */
export function hourAfter(time: number): number {
  return Math.ceil(time / hour) * hour;
}
