import type { MiddlewareHandler } from 'hono';
import type { Exchanges } from '../exchanges.ts';
import type { Env } from '../respond.ts';

/** What a client may name its request: safe in a header, a log line and an answer. */
const clientId = /^[\w.:-]{1,128}$/;

/** Begins an exchange for every request and ends it with the answer, unless a stream will. */
export function observe(exchanges: Exchanges): MiddlewareHandler<Env> {
  return async (c, next) => {
    const given = c.req.header('x-request-id');
    const exchange = exchanges.begin(c.req.method, given !== undefined && clientId.test(given) ? given : undefined);
    c.set('exchange', exchange);
    const left = (): void => exchange.clientLeft();
    const outgoing = c.env?.outgoing;
    if (outgoing === undefined) c.req.raw.signal.addEventListener('abort', left, { once: true });
    else outgoing.once('close', left);
    await next();
    if (!exchange.streaming) exchange.end(c.error);
  };
}

/** Names the route for logs, metrics and usage, and what its answers' ids begin with. */
export function label(route: string, idPrefix: string, runsModel: boolean): MiddlewareHandler<Env> {
  return (c, next) => {
    c.get('exchange').label(route, idPrefix, runsModel);
    return next();
  };
}
