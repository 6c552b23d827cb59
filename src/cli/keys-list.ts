import { readConfigFile } from '../config/file.ts';
import type { Flags } from '../config/load.ts';
import type { FileConfig, KeyConfig } from '../config/schema.ts';
import { namedFile } from './keys.ts';

type Limits = NonNullable<KeyConfig['limits']>;

/** What a limit is counted in. */
const units: Readonly<Record<keyof Limits, string>> = {
  requests_per_minute: 'requests/min',
  tokens_per_minute: 'tokens/min',
  concurrent: 'at a time',
  max_tokens: 'tokens/answer',
  tokens_per_day: 'tokens/day',
  tokens_per_month: 'tokens/month',
};

/**
 * `keys list`: prints who holds a key of the configuration file, and what it opens.
 * @throws ConfigError, or CommandError where no file is named
 */
export async function listKeys(flags: Flags): Promise<void> {
  const { keys, groups } = await readConfigFile(namedFile('list', flags));
  const rows = [
    ['NAME', 'SCOPES', 'MODELS', 'GROUP', 'EXPIRES', 'LIMITS'],
    ...keys.map((key) => describe(key, groups)),
  ];
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  for (const row of rows) {
    const cells = row.map((cell, column) => cell.padEnd(widths[column] ?? 0));
    process.stdout.write(`${cells.join('  ').trimEnd()}\n`);
  }
}

function describe(key: KeyConfig, groups: FileConfig['groups']): string[] {
  const { name, scopes, group: groupName } = key;
  const group = groupName === undefined ? undefined : groups[groupName];
  const models = key.models ?? (scopes.includes('admin') ? undefined : group?.models);
  const limits = limitsText({ ...group?.limits, ...key.limits });
  return [name, scopes.join(','), models?.join(',') ?? 'all', groupName ?? '-', expiry(key), limits];
}

function expiry({ expires, retiring }: KeyConfig): string {
  const expired = expires !== undefined && Date.parse(expires) <= Date.now();
  const old = retiring !== undefined && Date.parse(retiring.until) > Date.now();
  return `${expires ?? 'never'}${expired ? ' (expired)' : ''}${old ? ` (secret before: ${retiring.until})` : ''}`;
}

function limitsText(limits: Limits): string {
  const texts = (Object.keys(units) as (keyof Limits)[]).flatMap((limit) => {
    const amount = limits[limit];
    return amount === undefined ? [] : [`${short(amount)} ${units[limit]}`];
  });
  return texts.join(', ') || '-';
}

/** Exact all the same: 8192 stays as it is. */
function short(amount: number): string {
  if (amount % 1_000_000 === 0) return `${amount / 1_000_000}M`;
  return amount % 1000 === 0 ? `${amount / 1000}k` : String(amount);
}
