import type { MiddlewareHandler } from 'hono';
import type { Scope } from '../../config/schema.ts';
import { GatewayError, invalidValue } from '../../errors.ts';
import type { Limiter } from '../../limits/limiter.ts';
import type { Gatekeeper } from '../../policy/auth.ts';
import type { Priority } from '../../scheduling/entry.ts';
import { type Exchanges, shuttingDown } from '../exchanges.ts';
import type { Env } from '../respond.ts';

/** Lets a request in whose key has the scope, where one is needed. @throws {GatewayError} 401 or 403 */
export function authenticate(gatekeeper: Gatekeeper, scope: Scope | undefined): MiddlewareHandler<Env> {
  return async (c, next) => {
    const exchange = c.get('exchange');
    exchange.key = await gatekeeper.identify(c.req.raw.headers);
    if (scope !== undefined) gatekeeper.requireScope(exchange.key, scope);
    exchange.batch = readPriority(c.req.header(priorityHeader)) === 'batch';
    await next();
  };
}

/** By which a client says that nobody waits for an answer. A key of class batch stays one. */
const priorityHeader = 'x-llamaduct-priority';

/** @throws {GatewayError} 400 */
function readPriority(given: string | undefined): Priority {
  if (given === undefined || given === 'interactive' || given === 'batch') return given ?? 'interactive';
  throw invalidValue(priorityHeader, `${priorityHeader} is interactive or batch.`);
}

/**
 * Keeps the requests under way within the cap, those that run a model within what their key may have at a time, and
 * everybody out once the service stops. It does not wait for a body: one that never comes holds a place, too.
 *
 * @throws {GatewayError} 503, or 429 of the limiter
 */
export function admit(
  exchanges: Exchanges,
  maxInFlight: number,
  limiter: Pick<Limiter, 'enter'>,
): MiddlewareHandler<Env> {
  return (c, next) => {
    if (exchanges.stopping) throw shuttingDown();
    if (exchanges.size > maxInFlight) {
      throw new GatewayError('server_overloaded', 'Too many requests are under way.', { retryAfter: 2 });
    }
    const exchange = c.get('exchange');
    if (exchange.runsModel && exchange.key !== undefined) exchange.whenEnded(limiter.enter(exchange.key.holders));
    return next();
  };
}
