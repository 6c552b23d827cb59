import { type FileHandle, open, readFile, realpath, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { type Document, parseDocument } from 'yaml';
import { type KeyEdit, editDocument, withEdit } from './edit-keys.ts';
import { ConfigError } from './error.ts';
import { parseConfig } from './file.ts';
import type { FileConfig } from './schema.ts';
import { spliceKeys } from './splice-keys.ts';

/** How long another edit is waited for, in milliseconds. */
const patience = 2000;

/**
 * Edits the keys of a configuration file, which is replaced in one step or left as it was. Comments and order stay.
 * @param decide sees the file as it is, while nobody else edits it; what it throws goes on, and nothing is written
 * @throws ConfigError where the file has faults or would get some, or cannot be written
 */
export async function editConfigFile(file: string, decide: (config: FileConfig) => KeyEdit): Promise<void> {
  const target = await realpath(file).catch((error: unknown) => fail('cannot read the configuration', error));
  // Beside the file, so that it can take its place; that there is one is also the lock.
  const temporary = join(dirname(target), `.${basename(target)}.new`);
  const handle = await openAlone(temporary);
  try {
    const text = await readFile(target, 'utf8').catch((error: unknown) => fail('cannot read the configuration', error));
    const config = parseConfig(text, file);
    await replace(handle, temporary, target, edited(text, file, config, decide(config)));
  } catch (error) {
    // Not where it took the place of the file: what has its name then is somebody else's.
    await rm(temporary, { force: true });
    throw error;
  } finally {
    await handle.close();
  }
}

/** The text after the edit: one that differs from `config` in nothing but the edit. */
function edited(text: string, file: string, config: FileConfig, edit: KeyEdit): string {
  const wanted = withEdit(config, edit);
  const unix = text.replaceAll('\r\n', '\n');
  const spliced = spliceKeys(unix, parseDocument(unix, { keepSourceTokens: true }), edit);
  if (spliced !== undefined && isDeepStrictEqual(quietly(spliced), wanted)) return likeBefore(text, spliced);

  const document = parseDocument(unix);
  editDocument(document, edit);
  const written = toText(document);
  if (written !== undefined && isDeepStrictEqual(parseResult(written, file), wanted)) return likeBefore(text, written);
  throw new ConfigError(`${file} shares this key with other settings; please edit it by hand`);
}

/** @returns undefined where what is left refers to what is gone */
function toText(document: Document): string | undefined {
  try {
    return document.toString({ lineWidth: 0 });
  } catch {
    return undefined;
  }
}

function quietly(text: string): FileConfig | undefined {
  try {
    return parseConfig(text, '');
  } catch {
    return undefined;
  }
}

/** Lines and columns would be those of a file that nobody sees. */
function parseResult(text: string, file: string): FileConfig {
  try {
    return parseConfig(text, file);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const faults = error.faults.map(({ path, message }) => [path, message].filter(Boolean).join(': '));
    throw new ConfigError(`${file} is left as it was, for it would have faults: ${faults.join('; ')}`);
  }
}

function likeBefore(before: string, text: string): string {
  return before.includes('\r\n') ? text.replaceAll('\n', '\r\n') : text;
}

async function openAlone(temporary: string): Promise<FileHandle> {
  const end = performance.now() + patience;
  for (;;) {
    try {
      return await open(temporary, 'wx', 0o600);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') return fail('cannot write the configuration', error);
      if (performance.now() > end) {
        throw new ConfigError(`somebody else is editing the configuration; if nobody is, delete ${temporary}`);
      }
      await sleep(20);
    }
  }
}

async function replace(handle: FileHandle, temporary: string, target: string, text: string): Promise<void> {
  try {
    const { mode, uid, gid } = await stat(target);
    await handle.writeFile(text);
    // Only root gives files away; others may still keep the group.
    await handle.chown(uid, gid).catch(async () => await handle.chown(-1, gid).catch(() => undefined));
    await handle.chmod(mode & 0o7777);
    await handle.sync();
    await rename(temporary, target);
  } catch (error) {
    fail('cannot write the configuration', error);
  }
  await syncFolder(dirname(target)).catch(() => undefined);
}

/** So that the new name survives a loss of power. Not every system can. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function fail(what: string, error: unknown): never {
  throw new ConfigError(`${what}: ${(error as Error).message}`);
}
