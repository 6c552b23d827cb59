import type { Context } from 'hono';
import type { Exchange } from '../exchange/exchange.ts';
import type { ExchangeRegistry } from '../exchange/registry.ts';
import type { Env } from './respond.ts';

/** What a client may name its request: safe in a header, a log line and an answer. */
const clientId = /^[\w.:-]{1,128}$/;

/** Begins an exchange, which ends when its client leaves, unless it has ended before. */
export function beginExchange(c: Context<Env>, exchanges: ExchangeRegistry): Exchange {
  const given = c.req.header('x-request-id');
  const exchange = exchanges.begin(c.req.method, given !== undefined && clientId.test(given) ? given : undefined);
  c.set('exchange', exchange);
  const left = (): void => exchange.onClientLeft();
  const outgoing = c.env?.outgoing;
  if (outgoing === undefined) c.req.raw.signal.addEventListener('abort', left, { once: true });
  else outgoing.once('close', left);
  return exchange;
}
