import type { Backend } from '../../chat/backend.ts';
import type { PassThroughRoute } from '../../chat/protocol.ts';
import type { GatewayError } from '../../errors.ts';
import type { Exchange } from '../../exchange/exchange.ts';
import type { RequestHandler, StreamedAnswer } from '../../http/respond.ts';
import type { Upstream } from '../../pool/upstream.ts';
import type { AnswerFilter } from '../../streaming/answer-filter.ts';
import type { RepetitionWatch } from '../../streaming/repetition-watch.ts';
import { PassthroughStream } from '../../streaming/passthrough-stream.ts';
import type { UpstreamAnswer } from '../../upstreams/http/body.ts';
import type { UpstreamRequest } from '../../upstreams/http/client.ts';

type Context = Parameters<RequestHandler>[0];

/** @returns the client's request for the upstream, with the headers that may be passed on */
export function passedRequest(c: Context, route: PassThroughRoute, body: UpstreamRequest['body']): UpstreamRequest {
  return {
    method: c.req.method,
    // Never the client's own path: only a blob's digest comes from it, and the router has matched that.
    path: route.upstreamPath ?? route.path.replace(/:digest\{.*\}$/, c.req.param('digest') ?? ''),
    headers: requestHeaders(c, body),
    ...(body !== undefined && { body }),
    signal: c.get('exchange').signal,
  };
}

function requestHeaders(c: Context, body: UpstreamRequest['body']): Record<string, string> {
  const read = (name: string): string | undefined => c.req.header(name);
  if (body === undefined) return pick(read, ['accept']);
  // The body was read as UTF-8, whatever charset the client declared.
  if (Buffer.isBuffer(body)) return { ...pick(read, ['accept']), 'content-type': 'application/json' };
  return pick(read, ['content-type', 'accept', 'content-length']);
}

interface PassedAnswerOptions {
  readonly route: PassThroughRoute;
  /** Removes the thinking. Absent: the answer is not changed. */
  readonly filter?: AnswerFilter | undefined;
  /** Ends an answer that only repeats itself. Absent: the answer is not watched. */
  readonly watch?: RepetitionWatch | undefined;
  /** True if another server may be asked when the answer is an error. Absent: it is passed on. */
  readonly hasOthers?: boolean;
}

/** @returns the upstream's answer for the client, once some of it came. @throws {GatewayError} if it breaks off before */
export async function passedAnswer(
  answer: UpstreamAnswer,
  { route, filter, watch: repetition, hasOthers }: PassedAnswerOptions,
  { backend }: Upstream,
  exchange: Exchange,
): Promise<StreamedAnswer> {
  const failure = failureOf(answer, route);
  // Open WebUI ignores error lines and shows the answer as complete.
  const breaksConnection = isNdjson(answer);
  const errorAtStart =
    hasOthers === true && answer.statusCode < 300 ? (bytes: Buffer) => errorIn(bytes, backend) : undefined;
  const observer = backend.observer();
  const { endAtLength } = route;
  const watch = repetition &&
    endAtLength && { repetition, end: (last: string) => endAtLength(exchange.model ?? '', last) };
  const stream = new PassthroughStream({
    answer,
    observer,
    exchange,
    failure,
    breaksConnection,
    errorAtStart,
    filter,
    watch,
  });
  await stream.open();
  const { 'content-length': length, ...headers } = passedHeaders(answer);
  const known = length !== undefined && filter === undefined ? { 'content-length': length } : {};
  return { status: answer.statusCode, headers: { ...headers, ...known }, stream };
}

/** @returns the error with which a stream begins; undefined if it begins with anything else */
function errorIn(bytes: Buffer, backend: Backend): GatewayError | undefined {
  if (!bytes.includes('"error"')) return undefined;
  const observer = backend.observer();
  observer.push(bytes);
  if (observer.end().outcome !== 'failed') return undefined;
  // As if it had come with a status of its own.
  return backend.error(500, /\{.*\}/.exec(bytes.toString('utf8'))?.[0] ?? '');
}

export function passedHeaders({ headers }: UpstreamAnswer): Record<string, string> {
  return pick((name) => headers[name], ['content-type', 'content-length', 'retry-after']);
}

/** @returns what renders an error between two records of the answer; undefined if the answer has no room for one */
function failureOf(answer: UpstreamAnswer, { lineFailure, sse }: PassThroughRoute): typeof lineFailure {
  const { headers } = answer;
  if (headers['content-length'] !== undefined) return undefined;
  if (isNdjson(answer)) return lineFailure;
  const type = String(headers['content-type']);
  if (!type.startsWith('text/event-stream') || sse === undefined) return undefined;
  // An empty line ends the event that may have begun.
  return (error: GatewayError) => `\n${sse.failure(error)}`;
}

export function isNdjson({ headers }: UpstreamAnswer): boolean {
  return String(headers['content-type']).startsWith('application/x-ndjson');
}

export function isStream(answer: UpstreamAnswer): boolean {
  return isNdjson(answer) || String(answer.headers['content-type']).startsWith('text/event-stream');
}

function pick(read: (name: string) => string | string[] | undefined, names: readonly string[]): Record<string, string> {
  const picked: Record<string, string> = {};
  for (const name of names) {
    const value = read(name);
    if (typeof value === 'string') picked[name] = value;
  }
  return picked;
}
