import { readlink } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';

/** Symbolic links to follow before the path is taken for a loop; Linux uses the same number. */
const maxLinks = 40;

/** For each directory, the lower-case names in it that lead to a file. */
export type WatchedNames = ReadonlyMap<string, ReadonlySet<string>>;

/** A symbolic link on a path. */
interface Link {
  readonly path: string;
  readonly target: string;
  /** The part of the path after the link. */
  readonly rest: string;
}

/**
 * Finds the directory entries whose change can change what a path refers to: the file itself, and every symbolic link on
 * the way to it.
 *
 * Their directories are watched, not the file: a watch of a file ends when the file is replaced.
 */
export async function pathsTo(file: string): Promise<WatchedNames> {
  const names = new Map<string, Set<string>>();
  const add = (path: string): void => {
    const directory = dirname(path);
    names.set(directory, (names.get(directory) ?? new Set()).add(basename(path).toLowerCase()));
  };
  let path = resolve(file);
  for (let links = 0; links < maxLinks; links += 1) {
    const link = await firstLink(path);
    if (link === undefined) break;
    add(link.path);
    path = resolve(dirname(link.path), link.target, link.rest);
  }
  add(path);
  return names;
}

/**
 * True when an event may be about the watched file. Other files in a directory may change all the time, for example the
 * usage database. Names are compared in lower case, because some file systems ignore case.
 *
 * @param name null when the operating system does not report which name changed
 */
export function concerns(watched: WatchedNames, directory: string, name: string | null): boolean {
  return name === null || watched.get(directory)?.has(name.toLowerCase()) !== false;
}

async function firstLink(path: string): Promise<Link | undefined> {
  const names: string[] = [];
  for (let at = path; dirname(at) !== at; at = dirname(at)) names.unshift(basename(at));
  let prefix = resolve(path, '/');
  for (const [index, name] of names.entries()) {
    prefix = join(prefix, name);
    const target = await readlink(prefix).catch(() => undefined);
    if (target !== undefined) return { path: prefix, target, rest: join(...names.slice(index + 1), '.') };
  }
  return undefined;
}
