import { stringify } from 'yaml';
import { editConfigFile } from '../../config/edit/edit-file.ts';
import { readEnvironment } from '../../config/env.ts';
import { type FileConfig, type KeyConfig, keySchema } from '../../config/schema.ts';
import { unknownGroup } from '../../config/schema/groups.ts';
import { hashSecret, newSecret } from '../../config/secret.ts';
import type { NewKeyFlags } from '../args.ts';
import { CommandError } from '../error.ts';
import { secretNotice } from './shared.ts';

/**
 * `keys new`: creates a key, prints its secret, and adds the key to the configuration file. Without a file it prints the
 * lines to paste into one.
 *
 * @throws {CommandError} when a flag is invalid, the name is already used, or the group is unknown
 * @throws {ConfigError} when the file is invalid or cannot be edited
 */
export async function newKey(flags: NewKeyFlags): Promise<void> {
  const secret = newSecret();
  const key = buildKey(flags, hashSecret(secret));
  const file = flags.config ?? readEnvironment().LLAMADUCT_CONFIG;
  if (file === undefined) {
    const lines = stringify([key]).replace(/^(?=.)/gm, '  ');
    process.stdout.write(`${secretNotice(secret)}Add these lines to the configuration file, under keys:\n\n${lines}`);
    return;
  }
  await editConfigFile(file, (config) => {
    requireFit(key, config, file);
    return { kind: 'add', key };
  });
  process.stdout.write(`${secretNotice(secret)}Added key "${key.name}" to ${file}.\n`);
}

/** @throws {CommandError} when the file already has a key of this name, or does not define its group */
function requireFit(key: KeyConfig, { keys, groups }: FileConfig, file: string): void {
  if (keys.some(({ name }) => name === key.name))
    throw new CommandError(`a key named "${key.name}" already exists in ${file}`);
  if (key.group !== undefined && !Object.hasOwn(groups, key.group)) {
    throw new CommandError(`--group: ${unknownGroup(key.group, groups)}`);
  }
}

/** @throws {CommandError} when a flag is missing or invalid */
function buildKey({ name, scopes, models, group, expires }: NewKeyFlags, hash: string): KeyConfig {
  if (name === undefined) throw new CommandError("'keys new' needs --name NAME", 2);
  const fields = { name, hash, scopes: splitList(scopes), models: splitList(models), group, expires };
  const parsed = keySchema.safeParse(
    Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)),
  );
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new CommandError(`--${String(issue?.path[0])}: ${issue?.message}`, 2);
}

function splitList(text: string | undefined): string[] | undefined {
  return text?.split(',').map((item) => item.trim());
}
