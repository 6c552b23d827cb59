import type { UpstreamAnswer } from '../upstreams/client.ts';
import type { Ending, Exchange } from './exchange.ts';
import type { Services } from './services.ts';

/** What a request asks for, in tokens as far as they can be told before it is answered. */
export interface Demand {
  readonly model: string;
  readonly inputTokens: number;
  readonly outputTokens: number;
}

/** What requests ask for together. */
export function sum(demands: readonly Demand[]): Omit<Demand, 'model'> {
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
export async function charge(
  exchange: Exchange,
  { inputTokens, outputTokens }: Omit<Demand, 'model'>,
  services: Services,
): Promise<void> {
  exchange.estimatedInput = inputTokens;
  exchange.generates = outputTokens > 0;
  const { key } = exchange;
  if (key === undefined || key.holders.length === 0) return;
  const taken = await services.limiter.take(key.holders, inputTokens + outputTokens);
  Object.assign(exchange.headers, taken.headers);
  exchange.whenEnded(({ spent }) => taken.settle(spent.inputTokens + spent.outputTokens));
}

/** The right to use the upstream once. */
export interface Turn {
  /** Gives it back. Calling it again does nothing. */
  readonly done: () => void;
  /** Gives it back when the upstream is done with an answer. */
  readonly until: (body: UpstreamAnswer['body']) => void;
}

/**
 * Waits until it is the request's turn at the upstream; at once where nobody has to wait there.
 *
 * @param share of the exchange that this is, where it asks several times: 1 for all of it
 * @throws {GatewayError} 429 or 503 where too many wait, 503 where it takes too long, or what the exchange was cancelled
 *   with
 */
export async function takeTurn(
  exchange: Exchange,
  { model, inputTokens, outputTokens }: Demand,
  { config, upstream }: Services,
  share = 1,
): Promise<Turn> {
  const { queue, catalog } = upstream;
  const { key } = exchange;
  exchange.upstream = upstream.name;
  if (queue === undefined) return turn(() => undefined);
  const request = {
    key: key?.name ?? '',
    weight: key?.weight ?? 1,
    // What the upstream does not have it will refuse at once.
    model: queue.swapsModels && catalog.has(model) ? catalog.canonical(model) : '',
    cost: inputTokens + outputTokens,
    priority: exchange.batch ? 'batch' : (key?.priority ?? 'interactive'),
    signal: exchange.signal,
    maxWait: config.timeouts.queue,
  } as const;
  const entering = queue.enter(request);
  exchange.place ??= () => queue.position(request);
  const ticket = await entering;
  if (ticket.waited > exchange.waited) {
    exchange.waited = ticket.waited;
    exchange.headers['x-llamaduct-queue-wait'] = (ticket.waited / 1000).toFixed(3);
  }
  const started = performance.now();
  let took: number | undefined;
  exchange.whenEnded((ending) => {
    const real = outcomeOf(ending, share, took ?? performance.now() - started);
    // One that broke off tells nothing of others, and is not cheaper for it.
    ticket.settle(ending.outcome === 'ok' ? real : { cost: Math.max(real.cost, request.cost) });
  });
  return turn(() => {
    took ??= performance.now() - started;
    ticket.done();
  });
}

function turn(done: () => void): Turn {
  return { done, until: (body) => void body.once('close', done) };
}

/** @param took milliseconds, where the upstream does not tell */
function outcomeOf(
  { total, spent }: Ending,
  share: number,
  took: number,
): { cost: number; service: number; load?: number } {
  const { load, promptEval, eval: evaluation } = total?.timings ?? {};
  const generating = evaluation === undefined ? undefined : (evaluation + (promptEval ?? 0)) * 1000;
  return {
    cost: (spent.inputTokens + spent.outputTokens) * share,
    service: generating ?? took - (load ?? 0) * 1000,
    ...(load !== undefined && { load: load * 1000 }),
  };
}
