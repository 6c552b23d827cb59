import { editConfigFile } from '../../config/edit/edit-file.ts';
import { duration } from '../../config/schema/values.ts';
import { hashSecret, newSecret } from '../../config/secret.ts';
import type { ChangeKeyFlags } from '../args.ts';
import { CommandError } from '../error.ts';
import { requireConfigFile, requireKey, secretNotice } from './shared.ts';

/** Milliseconds that a previous secret can stay valid at most. */
const maxKeep = 366 * 86_400_000;

/**
 * `keys rotate`: replaces the secret of a key and prints the new one. The previous secret becomes invalid at once, or after
 * `--keep`. With it, earlier ones stay valid for as long as was promised; without it, none does.
 *
 * @throws {CommandError} when there is no key with this name, or `--keep` is invalid
 * @throws {ConfigError} when the file is invalid or cannot be edited
 */
export async function rotateKey(name: string, flags: ChangeKeyFlags): Promise<void> {
  const file = requireConfigFile('rotate', flags);
  const keep = parseKeep(flags);
  const until = isoSeconds(Date.now() + keep);
  const secret = newSecret();
  await editConfigFile(file, (config) => {
    const { hash, retiring = [] } = requireKey(config, name, file);
    const promised = retiring.filter((one) => Date.parse(one.until) > Date.now());
    return { kind: 'rotate', name, hash: hashSecret(secret), retiring: keep > 0 ? [{ hash, until }, ...promised] : [] };
  });
  const previous = keep > 0 ? `The previous key stays valid until ${until}` : 'The previous key is no longer valid';
  process.stdout.write(`${secretNotice(secret)}Replaced key "${name}" in ${file}. ${previous}.\n`);
}

/** @returns milliseconds */
function parseKeep({ keep }: ChangeKeyFlags): number {
  const parsed = duration.safeParse(keep ?? '0s');
  if (!parsed.success) throw new CommandError(`--keep: ${parsed.error.issues[0]?.message}`, 2);
  if (parsed.data > maxKeep) throw new CommandError('--keep: at most 366d', 2);
  return parsed.data;
}

/** Formats a time without milliseconds, rounded up. */
function isoSeconds(time: number): string {
  return new Date(Math.ceil(time / 1000) * 1000).toISOString().replace('.000Z', 'Z');
}
