import type { MiddlewareHandler } from 'hono';
import type { Scope } from '../../config/schema.ts';
import { GatewayError } from '../../errors.ts';
import type { Gatekeeper } from '../../policy/auth.ts';
import type { Exchanges } from '../exchanges.ts';
import type { Env } from '../respond.ts';

/** Lets a request in whose key has the scope. @throws {GatewayError} 401 or 403 */
export function authenticate(gatekeeper: Gatekeeper, scope: Scope): MiddlewareHandler<Env> {
  return async (c, next) => {
    const exchange = c.get('exchange');
    exchange.key = gatekeeper.identify(c.req.raw.headers);
    gatekeeper.requireScope(exchange.key, scope);
    await next();
  };
}

/** Keeps the requests under way within the cap, and everybody out once the service stops. @throws {GatewayError} 503 */
export function admit(exchanges: Exchanges, maxInFlight: number): MiddlewareHandler<Env> {
  return async (_c, next) => {
    if (exchanges.stopping) throw new GatewayError('shutting_down', 'llamaduct is shutting down.', { retryAfter: 5 });
    if (exchanges.size > maxInFlight) {
      throw new GatewayError('server_overloaded', 'Too many requests are under way.', { retryAfter: 2 });
    }
    await next();
  };
}
