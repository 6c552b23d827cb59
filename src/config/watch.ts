import { type FSWatcher, watch } from 'node:fs';
import { readFile, readlink } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';

/** Milliseconds in which changes are one: a file is written in several steps. */
const settleTime = 100;

/** Links that are followed, as Linux does before it takes them for a loop. */
const maxLinks = 40;

/** By directory, the names in it whose change may change the text of the file. */
type Places = ReadonlyMap<string, ReadonlySet<string>>;

/**
 * Tells when the text of a file has become another one: written, replaced, or behind a link that points elsewhere now.
 * Where the file is not there, or the system cannot watch, nothing is told.
 *
 * @returns a function that stops watching
 */
export async function watchFile(file: string, changed: () => void): Promise<() => void> {
  const watchers = new Map<string, FSWatcher>();
  let places: Places = new Map();
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;

  const stir = (directory: string, name: string | null): void => {
    // Others may write there without end, such as llamaduct its usage. Not every file system minds case.
    if (stopped || (name !== null && places.get(directory)?.has(name.toLowerCase()) === false)) return;
    clearTimeout(timer);
    timer = setTimeout(() => void look(), settleTime).unref();
  };
  const place = async (): Promise<void> => {
    places = await placesOf(file);
    if (stopped) return;
    for (const [directory, watcher] of watchers) {
      if (places.has(directory)) continue;
      watcher.close();
      watchers.delete(directory);
    }
    for (const directory of places.keys()) {
      if (watchers.has(directory)) continue;
      try {
        const watcher = watch(directory, { persistent: false }, (_, name) => stir(directory, name));
        watchers.set(
          directory,
          watcher.on('error', () => undefined),
        );
      } catch {
        // Out of watches: what asks to be reloaded by a signal still is.
      }
    }
  };
  const read = async (): Promise<string | undefined> => await readFile(file, 'utf8').catch(() => undefined);
  let looking = Promise.resolve();
  const look = async (): Promise<void> => {
    looking = looking.then(async () => {
      await place();
      const now = await read();
      // Between two steps of replacing it the file may be missing.
      if (stopped || now === undefined || now === text) return;
      text = now;
      changed();
    });
    await looking;
  };

  // Before it is read, so that no change falls in between.
  await place();
  let text = await read();
  return () => {
    stopped = true;
    clearTimeout(timer);
    for (const watcher of watchers.values()) watcher.close();
  };
}

/**
 * Where the file is, and each link on the way there. Not the file itself would have to be watched: one that is replaced
 * is watched no more.
 */
async function placesOf(file: string): Promise<Places> {
  const places = new Map<string, Set<string>>();
  const note = (path: string): void => {
    const names = places.get(dirname(path)) ?? new Set();
    places.set(dirname(path), names.add(basename(path).toLowerCase()));
  };
  let path = resolve(file);
  for (let links = 0; links < maxLinks; links += 1) {
    const link = await firstLink(path);
    if (link === undefined) break;
    note(link.path);
    path = resolve(dirname(link.path), link.target, link.rest);
  }
  note(path);
  return places;
}

/** The first link among what a path names, where it points to, and what of the path comes after it. */
async function firstLink(path: string): Promise<{ path: string; target: string; rest: string } | undefined> {
  const names: string[] = [];
  for (let at = path; dirname(at) !== at; at = dirname(at)) names.unshift(basename(at));
  let at = resolve(path, '/');
  for (const [index, name] of names.entries()) {
    at = join(at, name);
    const target = await readlink(at).catch(() => undefined);
    if (target !== undefined) return { path: at, target, rest: join(...names.slice(index + 1), '.') };
  }
  return undefined;
}
