import { stringify } from 'yaml';
import { readEnvironment } from '../config/env.ts';
import { readConfigFile } from '../config/file.ts';
import type { Flags } from '../config/load.ts';
import { type KeyConfig, keySchema } from '../config/schema.ts';
import { hashSecret, newSecret } from '../config/secret.ts';
import type { NewKeyFlags } from './args.ts';
import { CommandError } from './error.ts';

/**
 * `keys new`: prints a new secret, and the lines of the configuration file that let it in.
 * @throws CommandError where a flag does not fit
 */
export function newKey(flags: NewKeyFlags): void {
  if (flags.name === undefined) throw new CommandError("'keys new' needs --name NAME", 2);
  const secret = newSecret();
  const { name, expires } = flags;
  const parsed = keySchema.safeParse({
    name,
    hash: hashSecret(secret),
    scopes: list(flags.scopes),
    models: list(flags.models),
    expires,
  });
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new CommandError(`--${String(issue?.path[0])}: ${issue?.message}`, 2);
  }
  const lines = stringify([parsed.data]).replace(/^(?=.)/gm, '  ');
  process.stdout.write(
    `The secret, shown only now:\n\n  ${secret}\n\nThe lines for the configuration file, under keys:\n\n${lines}`,
  );
}

/**
 * `keys list`: prints who holds a key of the configuration file, and what it opens.
 * @throws ConfigError, or CommandError where no file is named
 */
export async function listKeys(flags: Flags): Promise<void> {
  const file = flags.config ?? readEnvironment().LLAMADUCT_CONFIG;
  if (file === undefined) throw new CommandError("'keys list' needs --config FILE", 2);
  const { keys } = await readConfigFile(file);
  const rows = [['NAME', 'SCOPES', 'MODELS', 'EXPIRES'], ...keys.map(describe)];
  const width = (column: number): number => Math.max(...rows.map((row) => row[column]?.length ?? 0));
  for (const row of rows) {
    process.stdout.write(
      `${row
        .map((cell, column) => cell.padEnd(width(column)))
        .join('  ')
        .trimEnd()}\n`,
    );
  }
}

function describe({ name, scopes, models, expires }: KeyConfig): [string, string, string, string] {
  const expired = expires !== undefined && Date.parse(expires) <= Date.now();
  return [name, scopes.join(','), models?.join(',') ?? 'all', `${expires ?? 'never'}${expired ? ' (expired)' : ''}`];
}

function list(text: string | undefined): string[] | undefined {
  return text?.split(',').map((item) => item.trim());
}
