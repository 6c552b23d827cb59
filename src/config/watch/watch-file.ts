import { readFile } from 'node:fs/promises';
import { DirectoryWatchers } from './directory-watchers.ts';
import { type WatchedNames, concerns, pathsTo } from './symlinks.ts';

/** Milliseconds to wait after an event, so that the several writes of one change count once. */
const settleTime = 100;

/**
 * Calls `onChange` when the content of a file changes: it is written in place, replaced, or a symbolic link on its path
 * points elsewhere. Nothing is called while the file is missing, or when the operating system cannot watch its folder.
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
  #text: string | undefined;
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
    this.#text = await this.#read();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#directories.close();
  }

  #onEvent(directory: string, name: string | null): void {
    if (this.#stopped || !concerns(this.#watched, directory, name)) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#checks = this.#checks.then(async () => await this.#check());
    }, settleTime).unref();
  }

  async #check(): Promise<void> {
    await this.#followPath();
    const text = await this.#read();
    // The file may be missing for a moment while it is replaced.
    if (this.#stopped || text === undefined || text === this.#text) return;
    this.#text = text;
    this.#onChange();
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
