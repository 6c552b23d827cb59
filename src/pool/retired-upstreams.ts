import { upstreamDown } from './all-down.ts';
import type { Upstream } from './upstream.ts';

/** Milliseconds between two checks for upstreams that have nothing left to do. */
const checkInterval = 500;

/** The upstreams that a reload removed: each completes its requests, and is then closed. */
export class RetiredUpstreams {
  readonly #onDrained: (upstream: Upstream) => void;
  readonly #busy = new Set<Upstream>();
  #timer: NodeJS.Timeout | undefined;

  /** @param onDrained called once an upstream has nothing left to do */
  constructor(onDrained: (upstream: Upstream) => void) {
    this.#onDrained = onDrained;
  }

  /** Retires an upstream. Requests in its queue move to another one. */
  add(upstream: Upstream): void {
    upstream.isRetired = true;
    upstream.queue?.refuseWaiting(upstreamDown());
    this.#busy.add(upstream);
    this.#timer ??= setInterval(() => this.#check(), checkInterval).unref();
  }

  /** Closes all connections at once. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all([...this.#busy].map(async ({ client }) => await client.close()));
  }

  #check(): void {
    for (const upstream of this.#busy) if (upstream.outstanding === 0) this.#drain(upstream);
    if (this.#busy.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #drain(upstream: Upstream): void {
    this.#busy.delete(upstream);
    // Requests that run no model are not counted, and end on their connections.
    void upstream.client.drain().then(() => this.#onDrained(upstream));
  }
}
