import type { HttpBindings } from '@hono/node-server';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import type { Context } from 'hono';
import type { ErrorFormat } from '../chat/protocol.ts';
import type { GatewayError } from '../errors.ts';
import type { Exchange } from '../exchange/exchange.ts';
import { type ResponseStream, pipeToNodeResponse, streamInto, toWebStream } from '../streaming/response-stream.ts';

export interface Env {
  /** Absent where the app is called without a server. */
  Bindings: Partial<HttpBindings>;
  Variables: { exchange: Exchange };
}

/** Answers a request. @throws {GatewayError} what is answered instead */
export type RequestHandler = (c: Context<Env>) => Response | Promise<Response>;

/**
 * Sends JSON. Headers go out as one plain object: a Headers instance, which Hono's own answers make, costs more than the rest
 * of a small answer.
 */
export function sendJson(c: Context<Env>, status: number, body: unknown, headers?: Record<string, string>): Response {
  const exchange = c.get('exchange');
  exchange.status = status;
  return new Response(JSON.stringify(body), {
    status,
    headers: {
      'content-type': 'application/json',
      ...plainHeaders,
      ...ids(exchange),
      ...exchange.headers,
      ...headers,
    },
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
  return new Response(text, { headers: withCommon(exchange, { 'content-type': type }) });
}

/** Sends a flow, whose end will end the exchange: straight into Node's own answer where there is one. */
export function sendFlow(
  c: Context<Env>,
  status: number,
  flow: ResponseStream,
  headers: Record<string, string>,
): Response {
  const exchange = c.get('exchange');
  const outgoing = c.env?.outgoing;
  exchange.status = status;
  exchange.streaming = true;
  const all = withCommon(exchange, headers);
  if (outgoing === undefined) return new Response(toWebStream(flow), { status, headers: all });
  outgoing.writeHead(status, all);
  pipeToNodeResponse(outgoing, flow);
  return RESPONSE_ALREADY_SENT;
}

/** Sends a stream whose end will end the exchange. */
export function sendStream(
  c: Context<Env>,
  stream: ReadableStream<Uint8Array>,
  headers: Record<string, string>,
): Response {
  const exchange = c.get('exchange');
  const outgoing = c.env?.outgoing;
  exchange.streaming = true;
  const all = withCommon(exchange, headers);
  if (outgoing === undefined) return new Response(stream, { headers: all });
  outgoing.writeHead(200, all);
  void streamInto(outgoing, stream);
  return RESPONSE_ALREADY_SENT;
}

function withCommon(exchange: Exchange, headers: Record<string, string>): Record<string, string> {
  return { ...plainHeaders, ...headers, ...exchange.headers, ...ids(exchange) };
}

/** Answers a HEAD. */
export function sendEmpty(c: Context<Env>, status: number, headers: Record<string, string>): Response {
  const exchange = c.get('exchange');
  exchange.status = status;
  return new Response(null, { status, headers: withCommon(exchange, headers) });
}
