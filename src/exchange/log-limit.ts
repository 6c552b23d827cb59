/** Milliseconds in which lines are counted. */
const windowLength = 10_000;
/** Lines of one kind in a window, and of all kinds together: less than a megabyte a minute. */
const maxPerKind = 10;
const maxLines = 200;
/** Addresses that are counted in a window, and those of them that are reported. */
const maxClients = { counted: 1_000, reported: 5 };

/** Requests that were not logged. */
export interface Omitted {
  readonly requests: number;
  readonly seconds: number;
  /** Number of requests for each error code. */
  readonly errors: Readonly<Record<string, number>>;
  /** Number of requests for each of the addresses that sent the most. */
  readonly clients: Readonly<Record<string, number>>;
}

/** A refused request. */
interface Refused {
  readonly client: string | undefined;
  readonly key: { readonly name: string } | undefined;
}

/** Limits the log lines of refused requests, which anybody can send as fast as a connection is. */
export class LogLimit {
  readonly #report: (omitted: Omitted) => void;
  /** Lines in this window, by kind. */
  readonly #lines = new Map<string, number>();
  readonly #omitted = new Map<string, number>();
  readonly #clients = new Map<string, number>();
  #written = 0;
  #startedAt = -Infinity;
  #timer: NodeJS.Timeout | undefined;

  /** @param report is called after each window in which lines were omitted */
  constructor(report: (omitted: Omitted) => void) {
    this.#report = report;
  }

  /**
   * @param error an error code
   * @returns true if the request may have a line of its own
   */
  admit({ client = '', key }: Refused, error: string): boolean {
    const now = performance.now();
    if (now - this.#startedAt >= windowLength) this.#startWindow(now);
    const kind = `${error} ${key?.name ?? ''}`;
    const lines = this.#lines.get(kind) ?? 0;
    if (lines < maxPerKind && this.#written < maxLines) {
      this.#lines.set(kind, lines + 1);
      this.#written += 1;
      return true;
    }
    this.#omitted.set(error, (this.#omitted.get(error) ?? 0) + 1);
    const ofClient = this.#clients.get(client) ?? 0;
    if (client !== '' && (ofClient > 0 || this.#clients.size < maxClients.counted)) {
      this.#clients.set(client, ofClient + 1);
    }
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
    const clients = [...this.#clients].toSorted(([, one], [, other]) => other - one).slice(0, maxClients.reported);
    this.#report({
      requests,
      seconds,
      errors: Object.fromEntries(this.#omitted),
      clients: Object.fromEntries(clients),
    });
    this.#omitted.clear();
    this.#clients.clear();
  }

  #startWindow(now: number): void {
    this.flush();
    this.#lines.clear();
    this.#written = 0;
    this.#startedAt = now;
  }
}
