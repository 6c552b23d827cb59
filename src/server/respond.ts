import type { HttpBindings } from '@hono/node-server';
import type { Context } from 'hono';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import type { ErrorFormat } from '../chat/protocol.ts';
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
    ...plainHeaders,
    ...ids(exchange),
    ...exchange.headers,
    ...headers,
  });
}

/**
 * What every answer says, unless it says otherwise: it is what its type says, is nobody else's, and is nothing for the pages
 * of others to load. No browser guesses at it, and no cache keeps it.
 */
export const plainHeaders = {
  'cache-control': 'no-store',
  'cross-origin-resource-policy': 'same-origin',
  'x-content-type-options': 'nosniff',
} as const;

/** The id of a request, where OpenAI's SDKs and where Anthropic's look for it. */
function ids({ id }: Exchange): { 'x-request-id': string; 'request-id': string } {
  return { 'x-request-id': id, 'request-id': id };
}

/** Sends an error in the client's dialect, with what tells it whether and when to try again. */
export function sendError(
  c: Context<Env>,
  error: GatewayError,
  errors: ErrorFormat,
  headers?: Record<string, string>,
): Response {
  return sendJson(c, errors.status?.(error) ?? error.status, errors.body(error), {
    ...(error.retryAfter !== undefined && { 'retry-after': String(error.retryAfter) }),
    ...(needsWord(error) && { 'x-should-retry': String(error.retryable) }),
    ...(error.status === 401 && { 'www-authenticate': 'Bearer' }),
    ...error.headers,
    ...headers,
  });
}

/** SDKs try again after any 429 and 5xx by themselves. */
function needsWord({ retryable, status }: GatewayError): boolean {
  return status >= 500 || (status === 429 && !retryable);
}

/** Sends text. */
export function sendText(c: Context<Env>, text: string, type = 'text/plain; charset=utf-8'): Response {
  const exchange = c.get('exchange');
  return c.newResponse(text, 200, {
    'content-type': type,
    ...plainHeaders,
    ...exchange.headers,
    ...ids(exchange),
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
  return c.newResponse(stream, status as ContentfulStatusCode, {
    ...plainHeaders,
    ...headers,
    ...exchange.headers,
    ...ids(exchange),
  });
}
