/** Milliseconds in which lines are counted. */
const windowLength = 10_000;
/** Lines of one kind in a window, and of all kinds together: less than a megabyte a minute. */
const maxPerKind = 10;
const maxLines = 200;

/** Requests that were not logged. */
export interface Omitted {
  readonly requests: number;
  readonly seconds: number;
  /** Number of requests for each error code. */
  readonly errors: Readonly<Record<string, number>>;
}

/** Limits the log lines of refused requests, which anybody can send as fast as a connection is. */
export class LogLimit {
  readonly #report: (omitted: Omitted) => void;
  /** Lines in this window, by kind. */
  readonly #lines = new Map<string, number>();
  readonly #omitted = new Map<string, number>();
  #written = 0;
  #startedAt = -Infinity;
  #timer: NodeJS.Timeout | undefined;

  /** @param report is called after each window in which lines were omitted */
  constructor(report: (omitted: Omitted) => void) {
    this.#report = report;
  }

  /**
   * @param key name of the key; '' without one
   * @param error an error code
   * @returns true if the request may have a line of its own
   */
  admit(key: string, error: string): boolean {
    const now = performance.now();
    if (now - this.#startedAt >= windowLength) this.#startWindow(now);
    const kind = `${error} ${key}`;
    const lines = this.#lines.get(kind) ?? 0;
    if (lines < maxPerKind && this.#written < maxLines) {
      this.#lines.set(kind, lines + 1);
      this.#written += 1;
      return true;
    }
    this.#omitted.set(error, (this.#omitted.get(error) ?? 0) + 1);
    this.#timer ??= setTimeout(() => this.flush(), this.#startedAt + windowLength - now).unref();
    return false;
  }

  /** Reports what was omitted in this window so far. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#omitted.size === 0) return;
    let requests = 0;
    for (const count of this.#omitted.values()) requests += count;
    const seconds = Math.ceil((performance.now() - this.#startedAt) / 1000);
    this.#report({ requests, seconds, errors: Object.fromEntries(this.#omitted) });
    this.#omitted.clear();
  }

  #startWindow(now: number): void {
    this.flush();
    this.#lines.clear();
    this.#written = 0;
    this.#startedAt = now;
  }
}
