import { GatewayError } from '../errors.ts';
import { Exchange, type ExchangeSinks } from './exchange.ts';

/** The requests under way. */
export class Exchanges {
  readonly #sinks: ExchangeSinks;
  readonly #running = new Set<Exchange>();
  #onIdle: (() => void) | undefined;
  #stopping = false;

  readonly #onSize: (size: number) => void;

  /** @param onSize hears how many there are when that changes */
  constructor(sinks: ExchangeSinks, onSize: (size: number) => void) {
    this.#sinks = sinks;
    this.#onSize = onSize;
  }

  get size(): number {
    return this.#running.size;
  }

  get stopping(): boolean {
    return this.#stopping;
  }

  begin(method: string, clientId: string | undefined): Exchange {
    const exchange = new Exchange(method, clientId, this.#sinks);
    exchange.whenEnded(() => this.#remove(exchange));
    this.#running.add(exchange);
    this.#onSize(this.size);
    return exchange;
  }

  #remove(exchange: Exchange): void {
    this.#running.delete(exchange);
    this.#onSize(this.size);
    if (this.#running.size === 0) this.#onIdle?.();
  }

  /** Waits `grace` milliseconds for what runs to end by itself, then ends it with an error its client can see. */
  async stop(grace: number): Promise<void> {
    this.#stopping = true;
    if (this.#running.size === 0) return;
    const idle = new Promise<void>((resolve) => {
      this.#onIdle = resolve;
    });
    const timer = setTimeout(() => {
      const error = new GatewayError('shutting_down', 'llamaduct is shutting down.', { retryAfter: 5 });
      for (const exchange of this.#running) exchange.cancel(error);
    }, grace);
    await idle;
    clearTimeout(timer);
  }
}
