import { type FileHandle, open, readFile, realpath, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ConfigError } from '../error.ts';
import { parseConfig } from '../file.ts';
import type { FileConfig } from '../schema.ts';
import { editText } from './edit-text.ts';
import type { KeyEdit } from './key-edit.ts';

/** Milliseconds to wait for another edit of the same file to finish. */
const lockTimeout = 2000;

/** Milliseconds between two attempts to get the lock. */
const lockRetryInterval = 20;

/**
 * Edits the keys of a configuration file. The file is replaced atomically, or left unchanged when anything fails. Comments
 * and the order of settings are preserved.
 *
 * @param decide chooses the edit from the current configuration, while no other edit can run; an error it throws is passed
 *   on, and nothing is written
 * @throws {ConfigError} when the file is invalid before or after the edit, is locked, or cannot be read or written
 */
export async function editConfigFile(file: string, decide: (config: FileConfig) => KeyEdit): Promise<void> {
  const target = await realpath(file).catch((error: unknown) => fail('cannot read the configuration file', error));
  // In the same folder as the file, so that it can be renamed over it. Its existence also serves as the lock.
  const temporary = join(dirname(target), `.${basename(target)}.new`);
  const handle = await createExclusively(temporary);
  try {
    const text = await readFile(target, 'utf8').catch((error: unknown) =>
      fail('cannot read the configuration file', error),
    );
    const config = parseConfig(text, file);
    await writeLikeTarget(handle, target, editText({ file, text, config }, decide(config)));
    await rename(temporary, target).catch((error: unknown) => fail('cannot write the configuration file', error));
  } catch (error) {
    // Only after a failure: after the rename, another edit may already have created a file of this name.
    await rm(temporary, { force: true });
    throw error;
  } finally {
    await handle.close();
  }
  await syncFolder(dirname(target)).catch(() => undefined);
}

async function createExclusively(path: string): Promise<FileHandle> {
  const deadline = performance.now() + lockTimeout;
  for (;;) {
    try {
      return await open(path, 'wx', 0o600);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') return fail('cannot write the configuration file', error);
      if (performance.now() > deadline) {
        throw new ConfigError(`another edit of the configuration file is running; if none is, delete ${path}`);
      }
      await sleep(lockRetryInterval);
    }
  }
}

/** Writes `text` durably, with the mode and, where permitted, the owner of `target`. */
async function writeLikeTarget(handle: FileHandle, target: string, text: string): Promise<void> {
  try {
    const { mode, uid, gid } = await stat(target);
    await handle.writeFile(text);
    // Only root may change the owner; other users may at least keep the group.
    await handle.chown(uid, gid).catch(async () => await handle.chown(-1, gid).catch(() => undefined));
    await handle.chmod(mode & 0o7777);
    await handle.sync();
  } catch (error) {
    fail('cannot write the configuration file', error);
  }
}

/** Makes the rename survive a power failure. Not every operating system can sync a folder. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function fail(summary: string, error: unknown): never {
  throw new ConfigError(`${summary}: ${(error as Error).message}`);
}
