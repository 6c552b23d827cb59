import type { Signal } from '../cancellation.ts';
import type { QueuedRequest, Ticket } from '../scheduling/fair-queue.ts';
import type { Forecast } from '../scheduling/forecast.ts';
import type { UpstreamBody } from '../upstreams/http/body.ts';
import type { Ending, Exchange } from '../exchange/exchange.ts';
import { type ExchangeRegistry, shuttingDown } from '../exchange/registry.ts';
import type { UpstreamQueue } from './upstream-queue.ts';
import type { UpstreamServices, Services } from '../services.ts';
import { modelToLoad } from './upstream.ts';

/** What a request asks for, in tokens as far as they can be told before it is answered. */
export interface Demand {
  readonly model: string;
  readonly inputTokens: number;
  readonly outputTokens: number;
}

/** What requests ask for together. */
export function sumDemands(demands: readonly Demand[]): Omit<Demand, 'model'> {
  return {
    inputTokens: demands.reduce((all, { inputTokens }) => all + inputTokens, 0),
    outputTokens: demands.reduce((all, { outputTokens }) => all + outputTokens, 0),
  };
}

/**
 * Charges a request to its key and the key's group, as estimated; what it really took is settled when it ends. What is
 * left is told in the answer's headers.
 *
 * @throws {GatewayError} 429 where a limit is reached
 */
export async function reserveTokens(
  exchange: Exchange,
  { inputTokens, outputTokens }: Omit<Demand, 'model'>,
  services: Services,
): Promise<void> {
  exchange.estimate = { inputTokens, outputTokens };
  const { key } = exchange;
  if (key === undefined || key.limitSubjects.length === 0) return;
  const taken = await services.limiter.reserve(key.limitSubjects, inputTokens + outputTokens);
  Object.assign(exchange.headers, taken.headers);
  exchange.onEnd(({ charged }) => taken.settle(charged.inputTokens + charged.outputTokens));
}

/** The right to use the upstream once. */
export interface Slot {
  /** Gives it back. Calling it again does nothing. */
  readonly release: () => void;
  /** Gives it back unused: the upstream failed. What it was charged with stays. */
  readonly abandon: () => void;
  /** Gives it back when the upstream is done with an answer. */
  readonly releaseAfter: (body: UpstreamBody) => void;
}

/** A request of an exchange. */
export interface ExchangeShare {
  /** Of all that the exchange takes: 1 where there is no other. */
  readonly fraction: number;
  readonly signal: Signal;
}

/**
 * Waits until it is the request's turn at the upstream; at once where nobody has to wait there.
 *
 * @throws {GatewayError} 429 or 503 where too many wait, 503 where it takes too long, or what the exchange was cancelled
 *   with
 */
export async function acquireSlot(
  exchange: Exchange,
  { model, inputTokens, outputTokens }: Demand,
  { config, exchanges, upstream }: UpstreamServices,
  { fraction, signal }: ExchangeShare = { fraction: 1, signal: exchange.signal },
): Promise<Slot> {
  const { queue } = upstream;
  const { key } = exchange;
  if (queue === undefined) {
    const release = exchange.startFirstTokenTimer(config.timeouts.first_token);
    return { release, abandon: release, releaseAfter: (body) => body.onClose(release) };
  }
  const request = {
    key: key?.name ?? '',
    weight: key?.weight ?? 1,
    model: modelToLoad(upstream, model),
    cost: inputTokens + outputTokens,
    priority: exchange.batch ? 'batch' : (key?.priority ?? 'interactive'),
    signal,
    maxWait: config.timeouts.queue,
    bound: () => exchange.phase === 'streaming',
  } as const;
  const ticket = startedAtOnce(request, queue, exchange) ?? (await ticketFor(request, queue, exchange, exchanges));
  const expectNothing = exchange.startFirstTokenTimer(config.timeouts.first_token);
  const started = performance.now();
  let took: number | undefined;
  let abandoned = false;
  exchange.onEnd((ending) => {
    if (abandoned) return;
    const real = outcomeOf(ending, fraction, took ?? performance.now() - started);
    // One that broke off tells nothing of others, and is not cheaper for it.
    ticket.settle(ending.outcome === 'ok' ? real : { cost: Math.max(real.cost, request.cost) });
  });
  const release = (): void => {
    took ??= performance.now() - started;
    expectNothing();
    ticket.done();
  };
  const abandon = (): void => {
    if (!abandoned) exchange.startedChoices -= 1;
    abandoned = true;
    release();
  };
  // Of what ended without anything of an answer another upstream may be asked.
  const leave = (): void => (exchange.phase === 'streaming' ? release() : abandon());
  return { release, abandon, releaseAfter: (body) => body.onClose(leave) };
}

function startedAtOnce(request: QueuedRequest, queue: UpstreamQueue, exchange: Exchange): Ticket | undefined {
  const ticket = queue.startAtOnce(request);
  if (ticket !== undefined) exchange.startedChoices += 1;
  return ticket;
}

/** Waits in the queue, and tells the exchange so. @throws {GatewayError} see FairQueue */
async function ticketFor(
  request: QueuedRequest,
  queue: UpstreamQueue,
  exchange: Exchange,
  { stopping }: ExchangeRegistry,
): Promise<Ticket> {
  const entering = queue.enter(request);
  // Of several choices the first that waits tells; of several upstreams the last.
  const place = (): Forecast | undefined => queue.position(request);
  // By name: V8 puts a function that is assigned to a property where it is, and all it knows, among what is old, and what
  // is old stays until all is collected.
  if (exchange.queuePosition?.() === undefined) exchange.queuePosition = place;
  const waits = queue.isWaiting(request);
  if (waits) exchange.waitingChoices += 1;
  else exchange.startedChoices += 1;
  if (stopping && exchange.isQueued) exchange.cancel(shuttingDown());
  try {
    const ticket = await entering;
    if (waits) exchange.startedChoices += 1;
    if (ticket.waited > exchange.queuedMs) {
      exchange.queuedMs = ticket.waited;
      exchange.headers['x-llamaduct-queue-wait'] = (ticket.waited / 1000).toFixed(3);
    }
    return ticket;
  } catch (error) {
    if (!waits) exchange.startedChoices -= 1;
    throw error;
  } finally {
    if (waits) exchange.waitingChoices -= 1;
  }
}

/**
 * Has a turn last until the answer's body closes.
 *
 * @param asked of an async function: what is thrown before there is a promise does not give the turn back
 * @throws what `asked` rejects with; then the turn is given back
 */
export async function releaseAfterAnswer<T extends { readonly body: UpstreamBody }>(
  turn: Slot,
  asked: Promise<T>,
): Promise<T> {
  try {
    const answer = await asked;
    turn.releaseAfter(answer.body);
    return answer;
  } catch (error) {
    turn.abandon();
    throw error;
  }
}

/** @param took milliseconds, where the upstream does not tell */
function outcomeOf(
  { usage, charged }: Ending,
  share: number,
  took: number,
): { cost: number; service: number; load?: number } {
  const { load, promptEval, eval: evaluation } = usage?.timings ?? {};
  const generating = evaluation === undefined ? undefined : (evaluation + (promptEval ?? 0)) * 1000;
  return {
    cost: (charged.inputTokens + charged.outputTokens) * share,
    service: generating ?? took - (load ?? 0) * 1000,
    ...(load !== undefined && { load: load * 1000 }),
  };
}
