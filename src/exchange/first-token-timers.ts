import type { Cancellation } from '../cancellation.ts';
import { GatewayError } from '../errors.ts';

/** The timers of an exchange that end an attempt whose answer does not begin. With several choices there are several. */
export class FirstTokenTimers {
  readonly #timers = new Set<NodeJS.Timeout>();

  /**
   * @param attempt is aborted when the time is over
   * @param extension called then; returns how many more milliseconds the attempt gets, 0 for none
   * @returns a function that stops the timer
   */
  start(attempt: Cancellation, milliseconds: number, extension: () => number): () => void {
    const onTime = (): void => {
      this.#timers.delete(timer);
      const more = extension();
      if (more === 0) return attempt.abort(notBegun());
      timer = setTimeout(onTime, more);
      this.#timers.add(timer);
    };
    let timer = setTimeout(onTime, milliseconds);
    this.#timers.add(timer);
    return () => {
      clearTimeout(timer);
      this.#timers.delete(timer);
    };
  }

  stop(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }
}

function notBegun(): GatewayError {
  return new GatewayError('first_token_timeout', 'The model did not begin to answer in time.', { retryAfter: 5 });
}

export function noTimer(): void {
  // There is no timer to stop.
}

export function noExtension(): number {
  return 0;
}
