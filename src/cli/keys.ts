import { stringify } from 'yaml';
import { editConfigFile } from '../config/edit.ts';
import { readEnvironment } from '../config/env.ts';
import { type KeyConfig, keySchema } from '../config/schema.ts';
import { hashSecret, newSecret } from '../config/secret.ts';
import type { NewKeyFlags } from './args.ts';
import { CommandError } from './error.ts';

/**
 * `keys new`: makes a secret, prints it, and adds the key to the configuration file; without one, prints the lines that
 * let it in.
 * @throws ConfigError, or CommandError where a flag does not fit
 */
export async function newKey(flags: NewKeyFlags): Promise<void> {
  const secret = newSecret();
  const key = keyOf(flags, secret);
  const file = flags.config ?? readEnvironment().LLAMADUCT_CONFIG;
  if (file === undefined) {
    const lines = stringify([key]).replace(/^(?=.)/gm, '  ');
    process.stdout.write(`${shownOnce(secret)}The lines for the configuration file, under keys:\n\n${lines}`);
    return;
  }
  await editConfigFile(file, ({ keys, groups }) => {
    if (keys.some(({ name }) => name === key.name)) throw new CommandError(`${file} has a key of the name ${key.name}`);
    if (key.group !== undefined && !Object.hasOwn(groups, key.group)) {
      throw new CommandError(`--group: ${file} has no group of the name ${key.group}`);
    }
    return { kind: 'add', key };
  });
  process.stdout.write(`${shownOnce(secret)}${file} lets it in as ${key.name}.\n`);
}

/** The secret, for the one time that it can be read. */
export function shownOnce(secret: string): string {
  return `The secret, shown only now:\n\n  ${secret}\n\n`;
}

/** The configuration file that a command of `keys` is about. @throws CommandError where none is named */
export function namedFile(verb: string, { config }: { readonly config?: string | undefined }): string {
  const file = config ?? readEnvironment().LLAMADUCT_CONFIG;
  if (file === undefined) throw new CommandError(`'keys ${verb}' needs --config FILE`, 2);
  return file;
}

function keyOf({ name, scopes, models, group, expires }: NewKeyFlags, secret: string): KeyConfig {
  if (name === undefined) throw new CommandError("'keys new' needs --name NAME", 2);
  const given = { name, hash: hashSecret(secret), scopes: list(scopes), models: list(models), group, expires };
  const parsed = keySchema.safeParse(
    Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)),
  );
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new CommandError(`--${String(issue?.path[0])}: ${issue?.message}`, 2);
}

function list(text: string | undefined): string[] | undefined {
  return text?.split(',').map((item) => item.trim());
}
