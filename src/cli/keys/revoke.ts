import { editConfigFile } from '../../config/edit/edit-file.ts';
import { readEnvironment } from '../../config/env.ts';
import { admitsAnyClient } from '../../config/load.ts';
import type { ChangeKeyFlags } from '../args.ts';
import { CommandError } from '../error.ts';
import { requireConfigFile, requireKey } from './shared.ts';

/**
 * `keys revoke`: removes a key from the configuration file.
 *
 * @throws {CommandError} when there is no key with this name, or when no client could be authenticated without it
 * @throws {ConfigError} when the file is invalid or cannot be edited
 */
export async function revokeKey(name: string, flags: ChangeKeyFlags): Promise<void> {
  const file = requireConfigFile('revoke', flags);
  await editConfigFile(file, (config) => {
    requireKey(config, name, file);
    // A running llamaduct would reject such a file on reload and continue to accept the revoked key.
    const keys = config.keys.filter((key) => key.name !== name);
    if (!admitsAnyClient({ ...config, keys }) && readEnvironment().LLAMADUCT_KEY === undefined) {
      throw new CommandError(
        `"${name}" is the only key in ${file}; without it every request would be rejected. Create another key first`,
      );
    }
    return { kind: 'remove', name };
  });
  process.stdout.write(`Removed key "${name}" from ${file}.\n`);
}
