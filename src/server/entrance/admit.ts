import type { Context } from 'hono';
import type { Scope } from '../../config/schema.ts';
import { GatewayError, invalidValue } from '../../errors.ts';
import type { Gatekeeper } from '../../policy/auth.ts';
import type { Key } from '../../policy/keys.ts';
import type { Priority } from '../../scheduling/entry.ts';
import type { Exchange } from '../exchange.ts';
import { shuttingDown } from '../exchanges.ts';
import type { Env } from '../respond.ts';
import type { Services } from '../services.ts';

/**
 * Lets an exchange in whose key has the scope, where one is needed.
 *
 * @throws {GatewayError} 403; 400 for a priority that is none
 */
export function authorize(
  c: Context<Env>,
  exchange: Exchange,
  key: Key,
  gatekeeper: Gatekeeper,
  scope: Scope | undefined,
): void {
  exchange.key = key;
  if (scope !== undefined) gatekeeper.requireScope(key, scope);
  exchange.batch = readPriority(c.req.header(priorityHeader)) === 'batch';
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
export function admit(exchange: Exchange, { exchanges, config, limiter }: Services): void {
  if (exchanges.stopping) throw shuttingDown();
  if (exchanges.size > config.limits.in_flight) {
    throw new GatewayError('server_overloaded', 'Too many requests are under way.', { retryAfter: 2 });
  }
  if (exchange.runsModel && exchange.key !== undefined) exchange.whenEnded(limiter.enter(exchange.key.holders));
}
