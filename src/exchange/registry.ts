import { GatewayError } from '../errors.ts';
import { SwapList, type SwapListEntry } from '../swap-list.ts';
import { Exchange, type ExchangeObservers } from './exchange.ts';

/** What is said to whoever comes too late, or did not get its turn in time. */
export function shuttingDown(): GatewayError {
  return new GatewayError('shutting_down', 'llamaduct is shutting down.', { retryAfter: 5 });
}

/** The requests under way. */
export class ExchangeRegistry {
  readonly #sinks: ExchangeObservers;
  readonly #running = new SwapList<Exchange>();
  #onIdle: (() => void) | undefined;
  #draining = false;
  #stopping = false;

  constructor(sinks: ExchangeObservers) {
    this.#sinks = sinks;
  }

  get size(): number {
    return this.#running.size;
  }

  /** Whether the service is about to stop, and says so to whoever asks whether it is ready. */
  get draining(): boolean {
    return this.#draining;
  }

  /** Whether nothing new is taken any more. */
  get stopping(): boolean {
    return this.#stopping;
  }

  /** Says from now on that the service is about to stop, and goes on serving. */
  drain(): void {
    this.#draining = true;
  }

  begin(method: string, clientId: string | undefined): Exchange {
    const exchange = new Exchange(method, clientId, this.#sinks);
    const held = this.#running.add(exchange);
    exchange.onEnd(() => this.#remove(held));
    return exchange;
  }

  #remove(held: SwapListEntry<Exchange>): void {
    this.#running.remove(held);
    if (this.#running.size === 0) this.#onIdle?.();
  }

  /**
   * Refuses what waits for its turn, waits `grace` milliseconds for what runs to end by itself, then ends it with an error
   * its client can see.
   */
  async stop(grace: number): Promise<void> {
    this.#draining = true;
    this.#stopping = true;
    for (const exchange of this.#running.items) if (exchange.isQueued) exchange.cancel(shuttingDown());
    if (this.#running.size === 0) return;
    const idle = new Promise<void>((resolve) => {
      this.#onIdle = resolve;
    });
    const timer = setTimeout(() => {
      for (const exchange of this.#running.items) exchange.cancel(shuttingDown());
    }, grace);
    await idle;
    clearTimeout(timer);
  }
}
