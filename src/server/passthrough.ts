import { Readable } from 'node:stream';
import type { ReadableStream as WebStream } from 'node:stream/web';
import type { Context, Handler } from 'hono';
import { estimatedOutputTokens, estimatedTokensIn } from '../chat/estimate.ts';
import type { PassThroughRoute } from '../chat/protocol.ts';
import { GatewayError } from '../errors.ts';
import { isObject } from '../framing/json.ts';
import { type Key, mayUse } from '../policy/keys.ts';
import { nativeShaping } from '../policy/native-shaping.ts';
import type { UpstreamAnswer, UpstreamRequest } from '../upstreams/client.ts';
import { readError, readJson } from '../upstreams/read.ts';
import { type BodyHandler, readBody } from './body.ts';
import type { Exchange } from './exchange.ts';
import { forwardedBody } from './forwarded.ts';
import { type Env, sendJson, sendStream } from './respond.ts';
import type { Services, Upstream } from './services.ts';
import { tapped } from './tapped.ts';
import { charge, takeTurn } from './turn.ts';
import { patiently } from './waiting.ts';

/**
 * Passes a request on and its answer back, byte for byte, reading along what the backend counted.
 *
 * @param translated answers instead where policy has to change a request that cannot be changed as it is
 */
export function passThroughHandler(
  route: PassThroughRoute,
  services: Services,
  translated?: BodyHandler,
): Handler<Env> {
  const { limits, timeouts } = services.config;
  return async (c) => {
    if (route.modelsNamed === undefined) {
      const { body } = c.req.raw;
      return await pass(
        c,
        route,
        body === null ? undefined : Readable.fromWeb(body as WebStream<Uint8Array>),
        services,
      );
    }
    const exchange = c.get('exchange');
    const bytes = await readBody(c.req.raw, limits.body, timeouts.body, exchange.signal);
    const { body, forwarded } = await forwardedBody(exchange, bytes, route.modelsNamed, route, services);
    if (forwarded !== 'changed') return await pass(c, route, forwarded, services, body);
    if (translated !== undefined) return await translated(c, bytes);
    throw new GatewayError('not_found', 'This cannot be asked of the upstream.');
  };
}

async function pass(
  c: Context<Env>,
  route: PassThroughRoute,
  body: UpstreamRequest['body'],
  services: Services,
  parsed?: unknown,
): Promise<Response> {
  const { upstream } = services;
  const exchange = c.get('exchange');
  const request: UpstreamRequest = {
    method: c.req.method,
    // Never the client's own path: only the digest of a blob comes from it, and the router has matched that.
    path: route.upstreamPath ?? route.path.replace(/:digest\{.*\}$/, c.req.param('digest') ?? ''),
    headers: pick(
      (name) => c.req.header(name),
      ['content-type', 'accept', ...(Buffer.isBuffer(body) ? [] : ['content-length'])],
    ),
    ...(body !== undefined && { body }),
    signal: exchange.signal,
  };
  const ask = async (): Promise<UpstreamAnswer> => {
    const answer = await sent(request, route, parsed, exchange, services);
    // What an upstream says of llamaduct's own key is not for its clients; Ollama has no keys.
    if (answer.statusCode < 400 || nativeShaping[upstream.kind] !== undefined) return answer;
    throw await readError(answer, upstream.backend);
  };
  if (route.sse?.asks(parsed) === true) {
    const { status, headers, stream } = await patiently(exchange, services.config.timeouts.silence, {
      begin: async () => relayed(c, await ask(), upstream),
      unknown: { status: 200, headers: { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' } },
      failure: route.sse.failure,
    });
    return sendStream(c, status, stream, headers);
  }
  const answer = await ask();
  const limited = route.lists === true && exchange.key?.models !== undefined ? exchange.key : undefined;
  if (c.req.method === 'HEAD') {
    await answer.body.dump();
    const { 'content-length': length, ...headers } = headersOf(answer);
    return sendStream(c, answer.statusCode, null, {
      ...headers,
      // Of a list that the key would see another of.
      ...(length !== undefined && limited === undefined && { 'content-length': length }),
    });
  }
  if (limited !== undefined && answer.statusCode === 200) {
    return sendJson(c, 200, listedFor(limited, await readJson(answer, upstream.backend, services.config.limits.body)));
  }
  const { status, headers, stream } = relayed(c, answer, upstream);
  return sendStream(c, status, stream, headers);
}

interface Relayed {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly stream: ReadableStream<Uint8Array>;
}

function relayed(c: Context<Env>, answer: UpstreamAnswer, upstream: Upstream): Relayed {
  return { status: answer.statusCode, headers: headersOf(answer), stream: tapped(c, answer, upstream) };
}

function headersOf({ headers }: UpstreamAnswer): Record<string, string> {
  return pick((name) => headers[name], ['content-type', 'content-length', 'retry-after']);
}

/** Sends a request on; when it is its turn, where a model runs for it. */
async function sent(
  request: UpstreamRequest,
  { outputTokens }: PassThroughRoute,
  body: unknown,
  exchange: Exchange,
  services: Services,
): Promise<UpstreamAnswer> {
  const { client, name } = services.upstream;
  if (outputTokens === undefined) {
    exchange.phase = 'waiting';
    exchange.upstream = name;
    return await client.send(request);
  }
  const demand = {
    model: exchange.model ?? '',
    inputTokens: estimatedTokensIn(body),
    outputTokens: estimatedOutputTokens(outputTokens(body)),
  };
  await charge(exchange, demand, services);
  exchange.phase = 'waiting';
  const turn = await takeTurn(exchange, demand, services);
  try {
    const answer = await client.send(request);
    turn.until(answer.body);
    return answer;
  } catch (error) {
    turn.done();
    throw error;
  }
}

/** A list of models without those that the key may not use. */
function listedFor(key: Key, list: unknown): object {
  if (!isObject(list) || !Array.isArray(list['models'])) {
    throw new GatewayError('upstream_protocol_error', 'The upstream did not list its models.');
  }
  return { ...list, models: list['models'].filter((model) => isObject(model) && mayUse(key, String(model['name']))) };
}

function pick(read: (name: string) => string | string[] | undefined, names: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = read(name);
      return typeof value === 'string' ? [[name, value]] : [];
    }),
  );
}
