/** The part of AbortSignal that llamaduct uses. */
export interface Signal {
  readonly aborted: boolean;
  readonly reason: unknown;
  throwIfAborted(): void;
  addEventListener(type: 'abort', listener: Listener): void;
  removeEventListener(type: 'abort', listener: Listener): void;
}

type Listener = (() => void) | { handleEvent(): void };

/**
 * AbortController and AbortSignal in one object, without their EventTarget, which costs as much CPU as translating an
 * answer.
 */
export class Cancellation implements Signal {
  aborted = false;
  reason: unknown;
  readonly #listeners: Listener[] = [];
  #controller: AbortController | undefined;

  /** A real AbortSignal, for APIs that accept nothing else. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.aborted) this.#controller.abort(this.reason);
    }
    return this.#controller.signal;
  }

  abort(reason: unknown): void {
    if (this.aborted) return;
    this.aborted = true;
    this.reason = reason;
    for (const listener of this.#listeners.splice(0)) {
      if (typeof listener === 'function') listener();
      else listener.handleEvent();
    }
    this.#controller?.abort(reason);
  }

  throwIfAborted(): void {
    if (this.aborted) throw this.reason;
  }

  /** The listener runs at most once; never for an abort that has already happened. */
  addEventListener(_: 'abort', listener: Listener): void {
    this.#listeners.push(listener);
  }

  removeEventListener(_: 'abort', listener: Listener): void {
    const index = this.#listeners.indexOf(listener);
    if (index !== -1) this.#listeners.splice(index, 1);
  }
}
