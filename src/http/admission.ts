import type { Context } from 'hono';
import { GatewayError, invalidValue } from '../errors.ts';
import type { Exchange } from '../exchange/exchange.ts';
import { shuttingDown } from '../exchange/registry.ts';
import type { Env } from './respond.ts';
import type { Services } from '../services.ts';

/** By which a client says that nobody waits for an answer. A key of class batch stays one. */
const priorityHeader = 'x-llamaduct-priority';

/** Whether a client says itself that nobody waits for the answer. @throws {GatewayError} 400 for a priority that is none */
export function asksForBatch(c: Context<Env>): boolean {
  const priority = c.req.header(priorityHeader);
  if (priority === undefined || priority === 'interactive' || priority === 'batch') return priority === 'batch';
  throw invalidValue(priorityHeader, `${priorityHeader} is interactive or batch.`);
}

/**
 * Keeps the requests under way within the cap, those that run a model within what their key may have at a time, and
 * everybody out once the service stops. It does not wait for a body: one that never comes holds a place, too.
 *
 * @throws {GatewayError} 503, or 429 of the limiter
 */
export function admit(exchange: Exchange, { exchanges, config, limiter }: Services): void {
  if (exchanges.stopping) throw shuttingDown();
  if (exchanges.size > config.limits.in_flight) {
    throw new GatewayError('server_overloaded', 'Too many requests are under way.', { retryAfter: 2 });
  }
  if (exchange.runsModel && exchange.key !== undefined)
    exchange.onEnd(limiter.enterConcurrent(exchange.key.limitSubjects));
}
