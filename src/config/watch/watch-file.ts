import { readFile } from 'node:fs/promises';
import { DirectoryWatchers } from './directory-watchers.ts';
import { type WatchedNames, concerns, pathsTo } from './symlinks.ts';

/** Milliseconds without a further event until the file is read. */
const settleTime = 100;

/** Milliseconds between two reads that must agree: a file that is being written may be valid without its rest. */
const confirmTime = 300;

/**
 * Milliseconds between two reads. No event comes from a network file system, from a single file that is mounted into a
 * container and edited outside, and from a folder that was replaced.
 */
const pollInterval = 2_000;

/** Reads until a file that is missing or empty counts as such: editors and `cat >` begin by emptying it. */
const readsUntilGone = 3;

/**
 * Calls `onChange` when the content of a file changes: it is written in place, replaced, or a symbolic link on its path
 * points elsewhere. It is also called when the file stays missing, empty or unreadable for some seconds.
 *
 * @returns a function that stops watching
 */
export async function watchFile(file: string, onChange: () => void): Promise<() => void> {
  const watch = new FileWatch(file, onChange);
  await watch.start();
  return () => watch.stop();
}

class FileWatch {
  readonly #file: string;
  readonly #onChange: () => void;
  readonly #directories = new DirectoryWatchers((directory, name) => this.#onEvent(directory, name));
  #watched: WatchedNames = new Map();
  /** The content that was last reported; undefined if there was none. */
  #reported: string | undefined;
  /** The content at the last read, if it differs from that, and the number of reads in a row that found it. */
  #seen: { readonly text: string | undefined; readonly reads: number } | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** The last check; the next one starts after it. */
  #checks = Promise.resolve();
  #stopped = false;

  constructor(file: string, onChange: () => void) {
    this.#file = file;
    this.#onChange = onChange;
  }

  async start(): Promise<void> {
    // Watches first and reads then, so that no change between the two is missed.
    await this.#followPath();
    this.#reported = await this.#read();
    this.#checkIn(pollInterval);
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#directories.close();
  }

  #onEvent(directory: string, name: string | null): void {
    if (concerns(this.#watched, directory, name)) this.#checkIn(settleTime);
  }

  #checkIn(delay: number): void {
    clearTimeout(this.#timer);
    if (this.#stopped) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#checks = this.#checks.then(async () => {
        const wait = await this.#check();
        // An event during the check has asked for another one already.
        if (this.#timer === undefined) this.#checkIn(wait);
      });
    }, delay).unref();
  }

  /** @returns milliseconds until the next check */
  async #check(): Promise<number> {
    await this.#followPath();
    const text = await this.#read();
    if (this.#stopped || text === this.#reported) {
      this.#seen = undefined;
      return pollInterval;
    }
    const before = this.#seen;
    const reads = before !== undefined && before.text === text ? before.reads + 1 : 1;
    this.#seen = { text, reads };
    const isGone = text === undefined || text.trim() === '';
    if (reads < (isGone ? readsUntilGone : 2)) return isGone ? pollInterval : confirmTime;
    this.#seen = undefined;
    this.#reported = text;
    this.#onChange();
    return pollInterval;
  }

  /** Watches the directories on the current path, which changes when a symbolic link does. */
  async #followPath(): Promise<void> {
    const watched = await pathsTo(this.#file);
    if (this.#stopped) return;
    this.#watched = watched;
    this.#directories.watchOnly(new Set(watched.keys()));
  }

  async #read(): Promise<string | undefined> {
    return await readFile(this.#file, 'utf8').catch(() => undefined);
  }
}
