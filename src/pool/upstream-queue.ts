import { FairQueue, type FairQueueOptions, type QueuedRequest, type Ticket } from '../scheduling/fair-queue.ts';
import type { Forecast } from '../scheduling/forecast.ts';

/** Milliseconds between reads of the models in memory, while requests wait. */
const refreshInterval = 5_000;

interface UpstreamQueueHooks {
  /** @returns the name under which the server lists a model, or `other` */
  readonly label: (model: string) => string;
  /** Reads the models in memory; undefined if they cannot be read now. Absent if this kind of server cannot report them. */
  readonly loaded?: () => Promise<Iterable<string> | undefined>;
  /** Called with the seconds that each request waited for its slot. */
  readonly waited: (seconds: number) => void;
  /** Called every few seconds while requests wait, and once after that. */
  readonly onWaiting?: (queue: Pick<FairQueue, 'size' | 'longestWait'>) => void;
}

/** The queue in front of one server. While requests wait, it reads which models are in memory, since they change by themselves. */
export class UpstreamQueue {
  /** True if loading one model may unload another, as far as that can be known. */
  swapsModels: boolean;
  readonly #queue: FairQueue;
  readonly #hooks: UpstreamQueueHooks;
  #timer: NodeJS.Timeout | undefined;
  #refreshing = false;

  constructor(options: FairQueueOptions, hooks: UpstreamQueueHooks) {
    this.swapsModels = options.slots !== undefined || hooks.loaded !== undefined;
    this.#queue = new FairQueue(options);
    this.#hooks = hooks;
  }

  /** Replaces the options. Requests that wait keep their place. */
  use(options: FairQueueOptions): void {
    this.swapsModels = options.slots !== undefined || this.#hooks.loaded !== undefined;
    this.#queue.use(options);
  }

  /** Number of requests that wait. */
  get size(): number {
    return this.#queue.size;
  }

  /** Number of requests that the server has. */
  get inFlight(): number {
    return this.#queue.inFlight;
  }

  /** Requests that the server gets at a time. */
  get parallel(): number {
    return this.#queue.parallel;
  }

  /** Milliseconds that the first interactive request has waited; 0 if none waits. */
  get longestWait(): number {
    return this.#queue.longestWait;
  }

  /** @returns the ticket, without a promise if the request starts at once. @throws {GatewayError} see FairQueue */
  enter(request: QueuedRequest): Ticket | Promise<Ticket> {
    const entering = this.#queue.enter(request);
    if (entering instanceof Promise) return this.#wait(entering);
    this.#hooks.waited(0);
    return entering;
  }

  async #wait(entering: Promise<Ticket>): Promise<Ticket> {
    if (this.#queue.size > 0 && this.#timer === undefined) this.#refreshWhileWaiting();
    const ticket = await entering;
    this.#hooks.waited(ticket.waited / 1000);
    return ticket;
  }

  /** @returns the milliseconds that a request would wait for a slot and for its model. @param model '' for none to load */
  delayFor(model: string): { wait: number; load: number } {
    return this.#queue.delayFor(model);
  }

  /**
   * Refuses the waiting requests that another server may take, because this one was ejected, or one of its models.
   *
   * @param reason what they get
   * @param model the model that was ejected. Absent: all requests
   */
  refuseWaiting(reason: unknown, model?: string): void {
    const { label } = this.#hooks;
    const ejected = model && label(model);
    this.#queue.refuseWaiting(reason, ({ asked }) => ejected === undefined || label(asked ?? '') === ejected);
  }

  isWaiting(request: QueuedRequest): boolean {
    return this.#queue.isWaiting(request);
  }

  /** @returns the request's position; undefined if it does not wait */
  position(request: QueuedRequest): Forecast | undefined {
    return this.#queue.position(request);
  }

  #refreshWhileWaiting(): void {
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#hooks.onWaiting?.(this.#queue);
      if (this.#queue.size > 0) this.#refreshWhileWaiting();
    }, refreshInterval).unref();
    void this.refreshLoaded();
  }

  /** Reads which models are in memory, unless a read is under way. Never rejects. */
  async refreshLoaded(): Promise<void> {
    if (this.#refreshing) return;
    this.#refreshing = true;
    const models = await this.#hooks.loaded?.();
    this.#refreshing = false;
    if (models !== undefined) this.#queue.setLoaded(models);
  }
}
