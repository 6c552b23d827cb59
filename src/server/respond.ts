import type { HttpBindings } from '@hono/node-server';
import type { Context } from 'hono';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import type { ErrorBody } from '../chat/contract.ts';
import type { GatewayError } from '../errors.ts';
import type { Exchange } from './exchange.ts';

export interface Env {
  /** Absent where the app is called without a server. */
  Bindings: Partial<HttpBindings>;
  Variables: { exchange: Exchange };
}

/**
 * Sends JSON. Headers go out as one plain object: a Headers instance costs more than the rest of a small answer.
 */
export function sendJson(c: Context<Env>, status: number, body: unknown, headers?: Record<string, string>): Response {
  const exchange = c.get('exchange');
  exchange.status = status;
  return c.newResponse(JSON.stringify(body), status as ContentfulStatusCode, {
    'content-type': 'application/json',
    'x-request-id': exchange.id,
    ...headers,
  });
}

/** Sends an error in the client's dialect, with what tells it whether and when to try again. */
export function sendError(
  c: Context<Env>,
  error: GatewayError,
  errorBody: ErrorBody,
  headers?: Record<string, string>,
): Response {
  return sendJson(c, error.status, errorBody(error), {
    ...(error.retryAfter !== undefined && { 'retry-after': String(error.retryAfter) }),
    ...(error.status >= 500 && { 'x-should-retry': String(error.retryable) }),
    ...(error.status === 401 && { 'www-authenticate': 'Bearer' }),
    ...headers,
  });
}

/** Sends a stream whose end will end the exchange. */
export function sendStream(
  c: Context<Env>,
  status: number,
  stream: ReadableStream<Uint8Array> | null,
  headers: Record<string, string>,
): Response {
  const exchange = c.get('exchange');
  exchange.status = status;
  exchange.streaming = stream !== null;
  return c.newResponse(stream, status as ContentfulStatusCode, { ...headers, 'x-request-id': exchange.id });
}
