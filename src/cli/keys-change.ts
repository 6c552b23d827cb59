import { editConfigFile } from '../config/edit.ts';
import { readEnvironment } from '../config/env.ts';
import { hasWayIn } from '../config/load.ts';
import type { FileConfig } from '../config/schema.ts';
import { hashSecret, newSecret } from '../config/secret.ts';
import { duration } from '../config/units.ts';
import type { ChangeKeyFlags } from './args.ts';
import { CommandError } from './error.ts';
import { namedFile, shownOnce } from './keys.ts';

const longestKeep = 366 * 86_400_000;

/**
 * `keys revoke`: takes a key out of the configuration file.
 * @throws ConfigError, or CommandError where there is no such key, or no other
 */
export async function revokeKey(name: string, flags: ChangeKeyFlags): Promise<void> {
  const file = namedFile('revoke', flags);
  await editConfigFile(file, (config) => {
    requireKey(config, name, file);
    // llamaduct refuses a file that lets nobody in: one that is serving would go on with the key.
    const others = config.keys.filter((key) => key.name !== name);
    if (!hasWayIn({ ...config, keys: others }) && readEnvironment().LLAMADUCT_KEY === undefined) {
      throw new CommandError(`${name} is the only key of ${file}, which would let nobody in: make another before`);
    }
    return { kind: 'remove', name };
  });
  process.stdout.write(`${file} no longer lets ${name} in.\n`);
}

/**
 * `keys rotate`: gives a key a new secret, and prints it. The one before is out at once, or after `--keep`.
 * @throws ConfigError, or CommandError where there is no such key, or a flag does not fit
 */
export async function rotateKey(name: string, flags: ChangeKeyFlags): Promise<void> {
  const file = namedFile('rotate', flags);
  const keep = keepOf(flags);
  const until = new Date(Math.ceil((Date.now() + keep) / 1000) * 1000).toISOString().replace('.000Z', 'Z');
  const secret = newSecret();
  await editConfigFile(file, (config) => {
    const { hash } = requireKey(config, name, file);
    return { kind: 'renew', name, hash: hashSecret(secret), ...(keep > 0 && { retiring: { hash, until } }) };
  });
  const before = keep > 0 ? `The one before is valid until ${until}` : 'The one before is no longer valid';
  process.stdout.write(`${shownOnce(secret)}${file} lets it in as ${name}. ${before}.\n`);
}

function requireKey({ keys }: FileConfig, name: string, file: string): FileConfig['keys'][number] {
  const key = keys.find((candidate) => candidate.name === name);
  if (key === undefined) throw new CommandError(`${file} has no key of the name ${name}`);
  return key;
}

function keepOf({ keep }: ChangeKeyFlags): number {
  const parsed = duration.safeParse(keep ?? '0s');
  if (!parsed.success) throw new CommandError(`--keep: ${parsed.error.issues[0]?.message}`, 2);
  if (parsed.data > longestKeep) throw new CommandError('--keep: at most 366d', 2);
  return parsed.data;
}
