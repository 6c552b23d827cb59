import { existsSync } from 'node:fs';
import { readEnvironment } from '../config/env.ts';
import { readConfigFile } from '../config/file.ts';
import { openForReading } from '../usage/database.ts';
import { timeFormatHint, parseTime } from '../usage/parse-time.ts';
import { type Grouping, type UsageLine, type UsageReport, createReport, groupings, hourOf } from '../usage/report.ts';
import type { UsageFlags } from './args.ts';
import { CommandError } from './error.ts';
import { formatTable } from './table.ts';

/**
 * `usage`: prints usage from the database that the configuration names, grouped and since a point in time. llamaduct may be
 * running on that database.
 *
 * @throws {CommandError} when a flag is invalid, or there is no usage database
 * @throws {ConfigError} when the configuration is invalid, or the database cannot be read
 */
export async function usage({ by = 'key', since = '30d', json = false, ...flags }: UsageFlags): Promise<void> {
  const grouping = groupings.find((name) => name === by);
  if (grouping === undefined) throw new CommandError(`--by: expected one of ${groupings.join(', ')}`, 2);
  const start = parseTime(since, Date.now());
  if (start === undefined) throw new CommandError(`--since: ${timeFormatHint}`, 2);
  const { lines, more } = read(await databaseFile(flags.config), grouping, start);
  if (json) {
    process.stdout.write(
      `${JSON.stringify({ by: grouping, since: hourOf(start) / 1000, data: lines }, undefined, 2)}\n`,
    );
  } else {
    process.stdout.write(table(grouping, lines));
  }
  if (more) process.stderr.write(`llamaduct: there are more than ${lines.length} lines; the rest is not shown\n`);
}

async function databaseFile(flag: string | undefined): Promise<string> {
  const config = flag ?? readEnvironment().LLAMADUCT_CONFIG;
  if (config === undefined) throw new CommandError("'usage' needs --config FILE", 2);
  const { file } = (await readConfigFile(config)).usage;
  if (file === undefined)
    throw new CommandError(`usage.file is not set in ${config}, so usage is stored only in memory`);
  if (!existsSync(file)) throw new CommandError(`${file} does not exist; llamaduct creates it when it starts`);
  return file;
}

function read(file: string, by: Grouping, since: number): UsageReport {
  const database = openForReading(file);
  try {
    return createReport(database, { by, since });
  } finally {
    database.close();
  }
}

const columns = ['REQUESTS', 'FAILED', 'INPUT', 'OUTPUT', 'MEAN TIME', 'MEAN WAIT', 'MAX WAIT'];

function table(by: Grouping, lines: readonly UsageLine[]): string {
  const rows = [
    [by.toUpperCase(), ...columns],
    ...lines.map(cells),
    ...(lines.length > 1 ? [cells(total(lines))] : []),
  ];
  return formatTable(rows, (column) => column > 0);
}

function cells(line: UsageLine): string[] {
  const counts = [line.requests, line.failed, line.input_tokens, line.output_tokens];
  const times = [line.mean_duration_ms, line.mean_queue_ms, line.max_queue_ms];
  return [
    printable(line.name ?? '-'),
    ...counts.map((count) => count.toLocaleString('en')),
    ...times.map((milliseconds) => `${(milliseconds / 1000).toFixed(1)}s`),
  ];
}

/** Replaces control characters: clients choose model names, and a terminal would interpret escape sequences in them. */
function printable(text: string): string {
  return text.replaceAll(/\p{C}/gu, '\u{fffd}');
}

function total(lines: readonly UsageLine[]): UsageLine {
  const sum = (value: (line: UsageLine) => number): number => lines.reduce((all, line) => all + value(line), 0);
  const requests = sum((line) => line.requests);
  return {
    name: '(total)',
    requests,
    failed: sum((line) => line.failed),
    input_tokens: sum((line) => line.input_tokens),
    output_tokens: sum((line) => line.output_tokens),
    mean_duration_ms: sum((line) => line.mean_duration_ms * line.requests) / requests,
    mean_queue_ms: sum((line) => line.mean_queue_ms * line.requests) / requests,
    max_queue_ms: Math.max(...lines.map((line) => line.max_queue_ms)),
  };
}
