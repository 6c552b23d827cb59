import { GatewayError, asGatewayError } from '../errors.ts';
import { SwapList } from '../swap-list.ts';
import { Exchange, type ExchangeObservers } from './exchange.ts';

/** The error for requests that come after the service began to stop, or that were still waiting then. */
export function shuttingDown(): GatewayError {
  return new GatewayError('shutting_down', 'llamaduct is shutting down.', { retryAfter: 5 });
}

/** The requests in flight. */
export class ExchangeRegistry {
  readonly #observers: ExchangeObservers;
  readonly #running = new SwapList<Exchange>();
  #onIdle: (() => void) | undefined;
  /** True once the service is about to stop. Requests are still served. */
  draining = false;
  /** True once no new request is accepted. */
  stopping = false;

  constructor(observers: ExchangeObservers) {
    this.#observers = observers;
  }

  get size(): number {
    return this.#running.size;
  }

  /** The requests in flight, in no order. */
  get all(): Iterable<Exchange> {
    return this.#running.items;
  }

  /** From now on `/readyz` says that the service is about to stop. */
  drain(): void {
    this.draining = true;
  }

  /** @param clientId the request id that the client sent, if any */
  begin(method: string, clientId: string | undefined): Exchange {
    const exchange = new Exchange(method, clientId, this.#observers);
    const entry = this.#running.add(exchange);
    exchange.onEnd(() => {
      this.#running.remove(entry);
      if (this.#running.size === 0) this.#onIdle?.();
    });
    return exchange;
  }

  /** Number of requests that wait for a slot and have not begun to be served. */
  get queued(): number {
    let queued = 0;
    for (const exchange of this.#running.items) if (exchange.isQueued) queued += 1;
    return queued;
  }

  /**
   * Cancels the requests that are not allowed any more.
   *
   * @param check throws the error of a request that is not allowed
   * @param includesRunning true for those as well that a server works on
   * @returns the number of cancelled requests
   */
  cancelDisallowed(check: (exchange: Exchange) => void, includesRunning: boolean): number {
    let cancelled = 0;
    for (const exchange of this.#running.items) {
      if (exchange.isRunning && !includesRunning) continue;
      try {
        check(exchange);
      } catch (error) {
        exchange.cancel(asGatewayError(error));
        cancelled += 1;
      }
    }
    return cancelled;
  }

  /**
   * Refuses requests that wait for a slot, gives those that run `grace` milliseconds to finish, then ends them with an error
   * in the client's format.
   *
   * @returns the number of requests that it ended after the grace time
   */
  async stop(grace: number): Promise<number> {
    const ended = await this.#end(grace);
    this.#observers.stopped();
    return ended;
  }

  async #end(grace: number): Promise<number> {
    this.draining = true;
    this.stopping = true;
    for (const exchange of this.#running.items) if (exchange.isQueued) exchange.cancel(shuttingDown());
    if (this.#running.size === 0) return 0;
    const idle = new Promise<void>((resolve) => {
      this.#onIdle = resolve;
    });
    let ended = 0;
    const timer = setTimeout(() => {
      ended = this.#running.size;
      for (const exchange of this.#running.items) exchange.cancel(shuttingDown());
    }, grace);
    await idle;
    clearTimeout(timer);
    return ended;
  }
}
