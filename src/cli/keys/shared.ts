import { readEnvironment } from '../../config/env.ts';
import type { FileConfig, KeyConfig } from '../../config/schema.ts';
import { CommandError } from '../error.ts';

/**
 * Finds the configuration file that a `keys` command reads or edits.
 *
 * @param verb the command, for the error message
 * @throws {CommandError} when neither --config nor LLAMADUCT_CONFIG is set
 */
export function requireConfigFile(verb: string, { config }: { readonly config?: string | undefined }): string {
  const file = config ?? readEnvironment().LLAMADUCT_CONFIG;
  if (file === undefined) throw new CommandError(`'keys ${verb}' needs --config FILE`, 2);
  return file;
}

/** @throws {CommandError} when the file has no key with this name */
export function requireKey({ keys }: FileConfig, name: string, file: string): KeyConfig {
  const key = keys.find((candidate) => candidate.name === name);
  if (key === undefined) throw new CommandError(`no key named "${name}" in ${file}`);
  return key;
}

/** Formats a new secret for the only time that it is printed. */
export function secretNotice(secret: string): string {
  return `API key (shown only once):\n\n  ${secret}\n\n`;
}
