import { readConfigFile } from '../../config/file.ts';
import type { Flags } from '../../config/load.ts';
import type { FileConfig, KeyConfig } from '../../config/schema.ts';
import { formatTable } from '../table.ts';
import { requireConfigFile } from './shared.ts';

type Limits = NonNullable<KeyConfig['limits']>;

const units: Readonly<Record<keyof Limits, string>> = {
  requests_per_minute: 'requests/min',
  tokens_per_minute: 'tokens/min',
  concurrent: 'concurrent',
  max_tokens: 'tokens/response',
  tokens_per_day: 'tokens/day',
  tokens_per_month: 'tokens/month',
};

/**
 * `keys list`: prints the keys of the configuration file, without their hashes.
 *
 * @throws {CommandError} when neither --config nor LLAMADUCT_CONFIG is set
 * @throws {ConfigError} when the file is invalid
 */
export async function listKeys(flags: Flags): Promise<void> {
  const { keys, groups } = await readConfigFile(requireConfigFile('list', flags));
  const rows = [['NAME', 'SCOPES', 'MODELS', 'GROUP', 'EXPIRES', 'LIMITS'], ...keys.map((key) => rowOf(key, groups))];
  process.stdout.write(formatTable(rows, () => false));
}

function rowOf(key: KeyConfig, groups: FileConfig['groups']): string[] {
  const { name, scopes, group: groupName } = key;
  const group = groupName === undefined ? undefined : groups[groupName];
  const models = key.models ?? (scopes.includes('admin') ? undefined : group?.models);
  const limits = limitsText({ ...group?.limits, ...key.limits });
  return [name, scopes.join(','), models?.join(',') ?? 'all', groupName ?? '-', expiryText(key), limits];
}

function expiryText({ expires, retiring = [] }: KeyConfig): string {
  const expired = expires !== undefined && Date.parse(expires) <= Date.now();
  const valid = retiring.filter(({ until }) => Date.parse(until) > Date.now());
  const previous = valid.length === 0 ? '' : ` (previous key: ${valid.map(({ until }) => until).join(', ')})`;
  return `${expires ?? 'never'}${expired ? ' (expired)' : ''}${previous}`;
}

function limitsText(limits: Limits): string {
  const texts = (Object.keys(units) as (keyof Limits)[]).flatMap((limit) => {
    const amount = limits[limit];
    return amount === undefined ? [] : [`${shortNumber(amount)} ${units[limit]}`];
  });
  return texts.join(', ') || '-';
}

/** Shortens round numbers, 3000000 to 3M and 60000 to 60k, and never rounds: 8192 stays 8192. */
function shortNumber(amount: number): string {
  if (amount % 1_000_000 === 0) return `${amount / 1_000_000}M`;
  return amount % 1000 === 0 ? `${amount / 1000}k` : String(amount);
}
