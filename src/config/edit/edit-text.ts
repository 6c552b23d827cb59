import { isDeepStrictEqual } from 'node:util';
import { type Document, parseDocument } from 'yaml';
import { ConfigError } from '../error.ts';
import { parseConfig } from '../file.ts';
import type { FileConfig } from '../schema.ts';
import { type KeyEdit, applyToConfig, applyToDocument } from './key-edit.ts';
import { spliceText } from './splice-text.ts';

/** A configuration file as it was read. */
export interface ConfigText {
  /** The file name for error messages. */
  readonly file: string;
  readonly text: string;
  /** The parsed text. */
  readonly config: FileConfig;
}

/**
 * Applies an edit to the text of a configuration file. Only the lines of the edited key change, where possible; otherwise
 * the whole file is reformatted, with its comments. Line endings stay as they are.
 *
 * @returns the new text, which parses to the same configuration except for the edit
 * @throws {ConfigError} when the result would be invalid, or when other settings refer to the edited key
 */
export function editText(before: ConfigText, edit: KeyEdit): string {
  const expected = applyToConfig(before.config, edit);
  const text = before.text.replaceAll('\r\n', '\n');
  const spliced = spliceText(text, parseDocument(text, { keepSourceTokens: true }), edit);
  if (spliced !== undefined && isDeepStrictEqual(tryParse(spliced), expected))
    return restoreLineEndings(before, spliced);

  const document = parseDocument(text);
  applyToDocument(document, edit);
  const written = tryStringify(document);
  if (written !== undefined && isDeepStrictEqual(parseResult(written, before.file), expected))
    return restoreLineEndings(before, written);
  throw new ConfigError(`other settings in ${before.file} refer to this key by a YAML alias; edit the file by hand`);
}

/** @returns undefined when an alias is left whose anchor was removed */
function tryStringify(document: Document): string | undefined {
  try {
    return document.toString({ lineWidth: 0 });
  } catch {
    return undefined;
  }
}

function tryParse(text: string): FileConfig | undefined {
  try {
    return parseConfig(text, '');
  } catch {
    return undefined;
  }
}

/** Parses the edited text. Its errors are reported without line and column, because the user never sees that text. */
function parseResult(text: string, file: string): FileConfig {
  try {
    return parseConfig(text, file);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const issues = error.issues.map(({ path, message }) => [path, message].filter(Boolean).join(': '));
    throw new ConfigError(`${file} was not changed, because it would become invalid: ${issues.join('; ')}`);
  }
}

function restoreLineEndings(before: ConfigText, text: string): string {
  return before.text.includes('\r\n') ? text.replaceAll('\n', '\r\n') : text;
}
