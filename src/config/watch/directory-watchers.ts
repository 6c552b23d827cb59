import { type FSWatcher, watch } from 'node:fs';

/** Reports changes in a set of directories, which may change over time. */
export class DirectoryWatchers {
  readonly #watchers = new Map<string, FSWatcher>();
  readonly #onEvent: (directory: string, name: string | null) => void;

  /** @param onEvent gets the directory and the name in it that changed; null when the operating system does not report it */
  constructor(onEvent: (directory: string, name: string | null) => void) {
    this.#onEvent = onEvent;
  }

  /** Watches these directories and no others. A directory that cannot be watched is left out. */
  watchOnly(directories: ReadonlySet<string>): void {
    for (const [directory, watcher] of this.#watchers) {
      if (directories.has(directory)) continue;
      watcher.close();
      this.#watchers.delete(directory);
    }
    for (const directory of directories) if (!this.#watchers.has(directory)) this.#watch(directory);
  }

  close(): void {
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
  }

  #watch(directory: string): void {
    try {
      const watcher = watch(directory, { persistent: false }, (_, name) => this.#onEvent(directory, name));
      // Without a listener, an error such as a deleted directory would end the process.
      watcher.on('error', () => undefined);
      this.#watchers.set(directory, watcher);
    } catch {
      // The directory is missing, or the limit of watches is reached. A reload by SIGHUP still works.
    }
  }
}
