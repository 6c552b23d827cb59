import { watchFile } from './watch-file.ts';

/** Watches a set of files, which may change over time. */
export class FileWatches {
  readonly #onChange: () => void;
  readonly #stops = new Map<string, () => void>();

  /** @param onChange called when the content of one of the files changes */
  constructor(onChange: () => void) {
    this.#onChange = onChange;
  }

  /** Watches these files and no others. */
  async use(files: readonly string[]): Promise<void> {
    for (const [file, stop] of this.#stops) {
      if (files.includes(file)) continue;
      stop();
      this.#stops.delete(file);
    }
    for (const file of files) {
      if (this.#stops.has(file)) continue;
      this.#stops.set(file, await watchFile(file, this.#onChange));
    }
  }
}
