import type { Logger } from '../telemetry/logger.ts';

/** Milliseconds between two lines about a queue that stays slow. */
const interval = 60_000;

/** The state of a queue. */
interface Waiting {
  /** Number of requests that wait. */
  readonly size: number;
  /** Milliseconds that the first interactive request has waited; 0 if none waits. */
  readonly longestWait: number;
}

/** Logs when the requests in a queue wait long, once a minute while they do, and when they no longer do. */
export class SlowQueueLog {
  readonly #logger: Logger;
  readonly #upstream: string;
  readonly #threshold: () => number;
  #slowSince: number | undefined;
  #loggedAt = -Infinity;

  /** @param threshold returns the milliseconds from which a wait is long; 0 for never */
  constructor(logger: Logger, upstream: string, threshold: () => number) {
    this.#logger = logger;
    this.#upstream = upstream;
    this.#threshold = threshold;
  }

  /** Call it every few seconds while requests wait, and once when none waits any more. */
  observe({ size, longestWait }: Waiting): void {
    const now = performance.now();
    const threshold = this.#threshold();
    const upstream = this.#upstream;
    if (threshold === 0 || longestWait < threshold) return this.#end(now);
    this.#slowSince ??= now - longestWait;
    if (now - this.#loggedAt < interval) return;
    this.#loggedAt = now;
    const seconds = Math.round(longestWait / 1000);
    this.#logger.warn(
      { upstream, waiting: size, longest_wait_s: seconds },
      `queue of ${upstream} is slow: ${size} waiting, the first for ${seconds} s`,
    );
  }

  #end(now: number): void {
    if (this.#slowSince === undefined) return;
    const seconds = Math.round((now - this.#slowSince) / 1000);
    this.#slowSince = undefined;
    this.#loggedAt = -Infinity;
    this.#logger.info({ upstream: this.#upstream, slow_s: seconds }, `queue of ${this.#upstream} is no longer slow`);
  }
}
