import type { Signal } from '../cancellation.ts';
import { GatewayError } from '../errors.ts';
import type { Ending } from '../exchange/ending.ts';
import type { Exchange } from '../exchange/exchange.ts';
import { shuttingDown } from '../exchange/registry.ts';
import type { QueuedRequest, Ticket } from '../scheduling/fair-queue.ts';
import type { Forecast } from '../scheduling/forecast.ts';
import type { UpstreamServices } from '../services.ts';
import type { UpstreamBody } from '../upstreams/http/body.ts';
import type { UpstreamQueue } from './upstream-queue.ts';
import { isRefusedAtOnce } from './models/unlisted.ts';
import { type Upstream, modelToLoad } from './upstream.ts';

/** The tokens that a request is estimated to take. */
export interface Demand {
  readonly model: string;
  readonly inputTokens: number;
  readonly outputTokens: number;
}

/** Adds up the demands of several choices. */
export function sumDemands(demands: readonly Demand[]): Omit<Demand, 'model'> {
  let [inputTokens, outputTokens] = [0, 0];
  for (const demand of demands) {
    inputTokens += demand.inputTokens;
    outputTokens += demand.outputTokens;
  }
  return { inputTokens, outputTokens };
}

/** The right to use a server for one request. */
export interface Slot {
  /** Gives the slot back. Calling it again does nothing. */
  readonly release: () => void;
  /**
   * Gives the slot back when the server failed, so that another one may be tried, or when the exchange was cancelled. The
   * request stays charged in the queue.
   */
  readonly abandon: () => void;
  /** Gives the slot back when the answer's body closes. */
  readonly releaseAfter: (body: UpstreamBody) => void;
}

/** The part of an exchange that one upstream request is. */
export interface ExchangeShare {
  /** 1 divided by the number of choices. */
  readonly fraction: number;
  readonly signal: Signal;
}

/**
 * Acquires a slot of the server, after a wait in its queue if it has none free.
 *
 * @throws {GatewayError} 429 or 503 if too many requests wait, 503 if the wait is too long, or the reason the exchange was
 *   cancelled with
 */
export async function acquireSlot(
  exchange: Exchange,
  demand: Demand,
  { config, exchanges, upstream }: UpstreamServices,
  { fraction, signal }: ExchangeShare = { fraction: 1, signal: exchange.attemptSignal },
): Promise<Slot> {
  const { queue } = upstream;
  const { key } = exchange;
  const { first_token: firstToken } = config.timeouts;
  exchange.outputRate = upstream.outputRate.tokensPerSecond;
  const isListed = queue === undefined || upstream.catalog.has(demand.model);
  if (queue === undefined || (!isListed && (await isRefusedAtOnce(upstream, demand.model, exchange)))) {
    const stopTimer = startFirstTokenTimer(exchange, demand, upstream, firstToken);
    return createSlot({ ticket: undefined, stopTimer, estimatedCost: 0, fraction }, exchange);
  }
  const request = {
    key: key?.name ?? '',
    weight: key?.weight ?? 1,
    model: modelToLoad(upstream, demand.model),
    asked: demand.model,
    cost: demand.inputTokens + demand.outputTokens,
    priority: exchange.batch ? 'batch' : (key?.priority ?? 'interactive'),
    signal,
    maxWait: config.timeouts.queue,
    isBound: () => exchange.phase === 'streaming',
  } as const;
  const entering = queue.enter(request);
  let ticket: Ticket;
  if (entering instanceof Promise) {
    ticket = await waitInQueue(entering, { request, queue, isStopping: exchanges.stopping }, exchange);
    refuseExpired(ticket, exchange);
  } else {
    ticket = entering;
    exchange.startedChoices += 1;
  }
  const stopTimer = startFirstTokenTimer(exchange, demand, upstream, firstToken);
  return createSlot({ ticket, stopTimer, estimatedCost: request.cost, fraction }, exchange);
}

/** @throws {GatewayError} 401 for a key that has expired while its request waited */
function refuseExpired(ticket: Ticket, { key }: Exchange): void {
  if (key === undefined || key.expires > Date.now()) return;
  ticket.done();
  throw new GatewayError('invalid_api_key', 'This key has expired.');
}

/** Bounds the time to the first token: as configured, or by what is known about the server. @returns a function that stops it */
function startFirstTokenTimer(
  exchange: Exchange,
  { model, inputTokens }: Demand,
  { loadTimes }: Upstream,
  configured: number | 'auto',
): () => void {
  if (configured !== 'auto') return exchange.startFirstTokenTimer(configured);
  // All of an answer comes at once, at its end. `first_byte` limits it.
  if (exchange.maxOutputTokens !== undefined) return exchange.startFirstTokenTimer(0);
  const since = performance.now();
  return exchange.startFirstTokenTimer(loadTimes.firstLook(inputTokens), () =>
    loadTimes.extension(model, inputTokens, since),
  );
}

interface SlotOptions {
  /** Absent for a server without a queue. */
  readonly ticket: Ticket | undefined;
  /** Stops the first-token timer. */
  readonly stopTimer: () => void;
  /** Tokens. */
  readonly estimatedCost: number;
  readonly fraction: number;
}

/** Creates a slot that starts now. When the exchange ends, the queue gets the request's actual cost. */
function createSlot({ ticket, stopTimer, estimatedCost, fraction }: SlotOptions, exchange: Exchange): Slot {
  const started = performance.now();
  const { turns } = exchange;
  let took: number | undefined;
  let abandoned = false;
  exchange.onServiceStart(started);
  if (ticket !== undefined) {
    exchange.onEnd((ending) => {
      if (abandoned) return;
      // The cost of all turns is spread over them, as over choices.
      const outcome = outcomeOf(ending, fraction / exchange.turns, took ?? performance.now() - started);
      // A failed request says nothing about the pace of others, and is not cheaper than it was estimated to be.
      ticket.settle(ending.outcome === 'ok' ? outcome : { cost: Math.max(outcome.cost, estimatedCost) });
    });
  }
  const release = (served = true): void => {
    if (took === undefined) {
      took = performance.now() - started;
      exchange.onServiceEnd(started, served);
    }
    stopTimer();
    if (!abandoned) ticket?.done();
    // Not before the pool knows of the failure: it may take what waits here to other servers.
    else if (ticket !== undefined) setImmediate(() => ticket.done());
  };
  const abandon = (): void => {
    if (took === undefined && ticket !== undefined) exchange.startedChoices -= 1;
    // If the client left, the server did not fail: it was busy until now.
    abandoned = !exchange.signal.aborted;
    release(!abandoned);
  };
  // If nothing of the answer came, another server may be tried.
  const onBodyClosed = (): void =>
    // The next turn may have begun, after this one was complete.
    exchange.phase === 'streaming' || exchange.turns > turns ? release() : abandon();
  return { release, abandon, releaseAfter: (body) => body.onClose(onBodyClosed) };
}

interface Waiting {
  readonly request: QueuedRequest;
  readonly queue: UpstreamQueue;
  /** True if the service is stopping, so that nothing may wait any more. */
  readonly isStopping: boolean;
}

/** Waits for the ticket, and notes the position on the exchange. @throws {GatewayError} see FairQueue */
async function waitInQueue(
  entering: Promise<Ticket>,
  { request, queue, isStopping }: Waiting,
  exchange: Exchange,
): Promise<Ticket> {
  // Named on purpose: V8 allocates closures stored in a property directly in old space, where they survive until a major GC.
  const position = (): Forecast | undefined => queue.position(request);
  // Of several choices the first that waits counts; of several servers the last.
  if (exchange.queuePosition?.() === undefined) exchange.queuePosition = position;
  const isWaiting = queue.isWaiting(request);
  if (isWaiting) exchange.waitingChoices += 1;
  else exchange.startedChoices += 1;
  if (isStopping && exchange.isQueued) exchange.cancel(shuttingDown());
  try {
    const ticket = await entering;
    if (isWaiting) exchange.startedChoices += 1;
    if (ticket.waited > exchange.queuedMs) {
      exchange.queuedMs = ticket.waited;
      exchange.headers['x-llamaduct-queue-wait'] = (ticket.waited / 1000).toFixed(3);
    }
    return ticket;
  } catch (error) {
    if (!isWaiting) exchange.startedChoices -= 1;
    throw error;
  } finally {
    if (isWaiting) exchange.waitingChoices -= 1;
  }
}

/**
 * Holds a slot until the answer's body closes.
 *
 * @param answering from an async function, because an error thrown before there is a promise would not release the slot
 * @throws what `answering` rejects with, after the slot is given back
 */
export async function holdSlot<T extends { readonly body: UpstreamBody }>(
  slot: Slot,
  answering: Promise<T>,
): Promise<T> {
  try {
    const answer = await answering;
    slot.releaseAfter(answer.body);
    return answer;
  } catch (error) {
    slot.abandon();
    throw error;
  }
}

/** @param took milliseconds, used if the upstream reported no durations */
function outcomeOf(
  { usage, charged }: Ending,
  fraction: number,
  took: number,
): { cost: number; service: number; load?: number } {
  const { load, promptEval, eval: evaluation } = usage?.timings ?? {};
  const generating = evaluation === undefined ? undefined : (evaluation + (promptEval ?? 0)) * 1000;
  return {
    cost: (charged.inputTokens + charged.outputTokens) * fraction,
    service: generating ?? took - (load ?? 0) * 1000,
    ...(load !== undefined && { load: load * 1000 }),
  };
}
