import { FairQueue, type FairQueueOptions, type QueuedRequest, type Ticket } from '../scheduling/fair-queue.ts';
import type { Forecast } from '../scheduling/forecast.ts';
import { upstreamDown } from './all-down.ts';

/** Milliseconds between questions what the upstream holds in memory, while somebody waits. */
const askEvery = 5_000;

interface UpstreamQueueHooks {
  /** What the upstream holds in memory; undefined where that cannot be told now. Absent where it never can. */
  readonly loaded?: () => Promise<Iterable<string> | undefined>;
  /** Hears how many seconds each request waited that got its turn. */
  readonly waited: (seconds: number) => void;
}

/** The requests in front of one upstream, which is looked at while any wait: models come and go there by themselves. */
export class UpstreamQueue {
  /** Whether one model is loaded in place of another, as far as that can be known. */
  readonly swapsModels: boolean;
  readonly #queue: FairQueue;
  readonly #reports: UpstreamQueueHooks;
  #timer: NodeJS.Timeout | undefined;
  #asking = false;

  constructor(options: FairQueueOptions, reports: UpstreamQueueHooks) {
    this.swapsModels = options.slots !== undefined || reports.loaded !== undefined;
    this.#queue = new FairQueue(options);
    this.#reports = reports;
  }

  /** Requests that wait. */
  get size(): number {
    return this.#queue.size;
  }

  /** Requests that the upstream has. */
  get inFlight(): number {
    return this.#queue.inFlight;
  }

  /** The turn of a request for which nobody has to wait; undefined for any other. @throws see FairQueue */
  startAtOnce(request: QueuedRequest): Ticket | undefined {
    const ticket = this.#queue.startAtOnce(request);
    if (ticket !== undefined) this.#reports.waited(0);
    return ticket;
  }

  /** Waits for a turn. @throws {GatewayError} see FairQueue */
  async enter(request: QueuedRequest): Promise<Ticket> {
    const entering = this.#queue.enter(request);
    if (this.#queue.size > 0 && this.#timer === undefined) this.#look();
    const ticket = await entering;
    this.#reports.waited(ticket.waited / 1000);
    return ticket;
  }

  /** What a request that came now would have to wait for, in milliseconds. @param model '' for none to load */
  delayFor(model: string): { wait: number; load: number } {
    return this.#queue.delayFor(model);
  }

  /** The upstream is out: who waits and may be asked of another leaves, with `upstream_down`. */
  refuseWaiting(): void {
    this.#queue.refuseWaiting(upstreamDown());
  }

  /** Whether a request waits. */
  isWaiting(request: QueuedRequest): boolean {
    return this.#queue.isWaiting(request);
  }

  /** Where a request stands; undefined where it does not wait. */
  position(request: QueuedRequest): Forecast | undefined {
    return this.#queue.position(request);
  }

  #look(): void {
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (this.#queue.size > 0) this.#look();
    }, askEvery).unref();
    if (!this.#asking) void this.#ask();
  }

  /** Asks what the upstream holds in memory. Never rejects. */
  async refreshLoaded(): Promise<void> {
    if (!this.#asking) await this.#ask();
  }

  async #ask(): Promise<void> {
    this.#asking = true;
    const models = await this.#reports.loaded?.();
    this.#asking = false;
    if (models !== undefined) this.#queue.setLoaded(models);
  }
}
