import type { HttpBindings } from '@hono/node-server';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import type { Context } from 'hono';
import type { ErrorFormat } from '../chat/protocol.ts';
import type { GatewayError } from '../errors.ts';
import type { Exchange } from '../exchange/exchange.ts';
import { sseContentType } from '../framing/sse.ts';
import { keepStreamAlive, queueHeaders, writeHeartbeats } from '../streaming/heartbeat.ts';
import { NodeSink } from '../streaming/node-sink.ts';
import type { ResponseSink, ResponseStream } from '../streaming/response-stream.ts';
import { WebSink } from '../streaming/web-sink.ts';
import { withTimeout } from '../with-timeout.ts';
import type { Target } from './paths.ts';

export interface Env {
  /** Empty if the app is called without a server. */
  Bindings: Partial<HttpBindings>;
  Variables: { exchange: Exchange; target: Target };
}

/**
 * Answers a request.
 *
 * @param body the whole request body; empty for routes that do not read one
 * @throws {GatewayError} the error to answer with
 */
export type RequestHandler = (c: Context<Env>, body: Buffer) => Response | Promise<Response>;

/** Answers a request from its head alone. */
export type Handler = (c: Context<Env>) => Response | Promise<Response>;

type Headers = Readonly<Record<string, string>>;

/** An answer that has started to stream. */
export interface StreamedAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly stream: ResponseStream;
}

/** Headers of every answer, unless it sets its own: no sniffing, no caching, no cross-origin embedding. */
export const plainHeaders = {
  'cache-control': 'no-store',
  'cross-origin-resource-policy': 'same-origin',
  'x-content-type-options': 'nosniff',
} as const;

/** Headers are one plain object: creating a Headers instance costs more than the rest of a small answer. */
function allHeaders(exchange: Exchange, headers: Headers): Record<string, string> {
  const { id } = exchange;
  // OpenAI's SDKs read the first id, Anthropic's the second.
  return { ...plainHeaders, ...headers, ...exchange.headers, 'x-request-id': id, 'request-id': id };
}

export function sendJson(c: Context<Env>, status: number, body: unknown, headers?: Headers): Response {
  const exchange = c.get('exchange');
  exchange.status = status;
  return new Response(JSON.stringify(body), {
    status,
    headers: { 'content-type': 'application/json', ...allHeaders(exchange, {}), ...headers },
  });
}

/** Sends an error in the client's format, with headers that say whether and when to retry. */
export function sendError(c: Context<Env>, error: GatewayError, errors: ErrorFormat, headers?: Headers): Response {
  const { answered, fromUpstream, retryAfter, retryable, status } = error;
  // SDKs retry every 429 and 5xx unless they are told not to, and some clients every failure of a server.
  const isFailure = status === 429 || fromUpstream || (answered !== undefined && answered.status >= 500);
  const needsRetryHint = status >= 500 || (isFailure && !retryable);
  return sendJson(c, errors.status?.(error) ?? status, errors.body(error), {
    ...(retryAfter !== undefined && { 'retry-after': String(retryAfter) }),
    ...(needsRetryHint && { 'x-should-retry': String(retryable) }),
    ...(status === 401 && { 'www-authenticate': 'Bearer' }),
    ...error.headers,
    ...headers,
  });
}

export function sendText(c: Context<Env>, text: string, type = 'text/plain; charset=utf-8'): Response {
  return new Response(text, { headers: allHeaders(c.get('exchange'), { 'content-type': type }) });
}

/** Answers a HEAD request. */
export function sendEmpty(c: Context<Env>, status: number, headers: Headers): Response {
  const exchange = c.get('exchange');
  exchange.status = status;
  return new Response(null, { status, headers: allHeaders(exchange, headers) });
}

export function sendStream(c: Context<Env>, { status, headers, stream }: StreamedAnswer): Response {
  const { sink, response } = openSink(c, status, headers);
  sink.pipe(stream);
  return response;
}

/** Starts an answer of server-sent events that are written over time, until the sink ends or the client leaves. */
export function openEventStream(c: Context<Env>): { sink: ResponseSink; response: Response } {
  return openSink(c, 200, { 'content-type': sseContentType, 'cache-control': 'no-cache' });
}

interface Heartbeats {
  /** Milliseconds of silence before the first heartbeat, and between two; 0 for none. */
  readonly interval: number;
  /** The headers that are known before the answer starts. */
  readonly headers: Headers;
  /** Returns events of the client's format that say nothing of the answer; '' if the format has none before it starts. */
  readonly keepAlive: () => string;
  /** Formats a remark about the answer. Absent: as a comment of SSE. */
  readonly comment?: (text: string) => string;
  /** Renders the error event of a stream that never starts. */
  readonly failure: (error: GatewayError) => string;
  /** True when the connection has to be broken after a failure. Absent: the stream ends cleanly. */
  readonly breaksConnection?: boolean;
  /** Renders the error once more, for an HTTP chunk of its own before the connection is broken. */
  readonly failureApart?: (error: GatewayError) => string;
}

/**
 * Sends an SSE answer, with a heartbeat whenever it is silent for the interval. If it has not started by the first one, the
 * response starts with status 200.
 *
 * @throws what `starting` rejects with before the response has started
 */
export async function sendStreamWithHeartbeats(
  c: Context<Env>,
  starting: Promise<StreamedAnswer>,
  { interval, headers, ...rest }: Heartbeats,
): Promise<Response> {
  if (interval === 0) return sendStream(c, await starting);
  const exchange = c.get('exchange');
  const started = await withTimeout(interval, starting);
  if (started !== undefined) {
    const { stream } = started;
    const { sink, response } = openSink(c, started.status, started.headers);
    keepStreamAlive(sink, () => stream.keepAlive(), { exchange, interval });
    sink.pipe(stream);
    return response;
  }
  Object.assign(exchange.headers, queueHeaders(exchange));
  const { sink, response } = openSink(c, 200, headers);
  const late = starting.then((answer) => ({ stream: answer.stream, lateHeaders: changed(headers, answer.headers) }));
  writeHeartbeats(sink, late, { exchange, interval, ...rest });
  return response;
}

/** Starts a streamed response. Its sink writes into Node's response, or into a web stream where there is none. */
function openSink(c: Context<Env>, status: number, headers: Headers): { sink: ResponseSink; response: Response } {
  const exchange = c.get('exchange');
  const outgoing = c.env?.outgoing;
  exchange.status = status;
  exchange.endedBySink = true;
  const all = allHeaders(exchange, headers);
  // nginx would hold back a stream until its buffer is full.
  if (all['content-length'] === undefined) all['x-accel-buffering'] = 'no';
  if (outgoing === undefined) {
    const sink = new WebSink(exchange);
    return { sink, response: new Response(sink.body, { status, headers: all }) };
  }
  outgoing.writeHead(status, all);
  return { sink: new NodeSink(outgoing, exchange), response: RESPONSE_ALREADY_SENT };
}

/** The headers that are new or different in `after`. */
function changed(before: Headers, after: Headers): Headers {
  return Object.fromEntries(Object.entries(after).filter(([name, value]) => before[name] !== value));
}
