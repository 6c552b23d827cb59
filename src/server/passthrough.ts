import { Readable } from 'node:stream';
import type { ReadableStream as WebStream, Transformer } from 'node:stream/web';
import type { Context, Handler } from 'hono';
import type { PassThroughRoute } from '../chat/protocol.ts';
import type { JsonObject } from '../chat/request.ts';
import { GatewayError } from '../errors.ts';
import { isObject, parseExact } from '../framing/json.ts';
import { nativeShaping } from '../policy/native-shaping.ts';
import type { UpstreamAnswer, UpstreamRequest } from '../upstreams/client.ts';
import { readError } from '../upstreams/read.ts';
import { type BodyHandler, parseJson, readBody } from './body.ts';
import { modelFor, requireModel } from './prepare.ts';
import { type Env, sendStream } from './respond.ts';
import type { Services, Upstream } from './services.ts';
import { type Piece, Source } from './source.ts';

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
    const bytes = await readBody(c.req.raw, limits.body, timeouts.body, c.get('exchange').signal);
    const forwarded = await forwardedBody(c, bytes, route.modelsNamed, route, services);
    if (forwarded !== 'changed') return await pass(c, route, forwarded, services);
    if (translated !== undefined) return await translated(c, bytes);
    throw new GatewayError('not_found', 'This cannot be asked of the upstream.');
  };
}

async function pass(
  c: Context<Env>,
  route: PassThroughRoute,
  body: UpstreamRequest['body'],
  { upstream }: Services,
): Promise<Response> {
  const exchange = c.get('exchange');
  exchange.phase = 'waiting';
  exchange.upstream = upstream.name;
  const answer = await upstream.client.send({
    method: c.req.method,
    // Never the client's own path: only the digest of a blob comes from it, and the router has matched that.
    path: route.upstreamPath ?? route.path.replace(/:digest\{.*\}$/, c.req.param('digest') ?? ''),
    headers: pick(
      (name) => c.req.header(name),
      ['content-type', 'accept', ...(Buffer.isBuffer(body) ? [] : ['content-length'])],
    ),
    ...(body !== undefined && { body }),
    signal: exchange.signal,
  });
  // What an upstream says of llamaduct's own key is not for its clients; Ollama has no keys.
  if (answer.statusCode >= 400 && nativeShaping[upstream.kind] === undefined) {
    throw await readError(answer, upstream.backend);
  }
  const headers = pick((name) => answer.headers[name], ['content-type', 'content-length', 'retry-after']);
  if (c.req.method === 'HEAD') {
    await answer.body.dump();
    return sendStream(c, answer.statusCode, null, headers);
  }
  return sendStream(c, answer.statusCode, tapped(c, answer, upstream), headers);
}

/** The body to send on, or that it cannot be sent as it is. @throws {GatewayError} 403, and 400 where policy has to know */
async function forwardedBody(
  c: Context<Env>,
  bytes: Buffer,
  modelsNamed: (body: unknown) => string[],
  route: PassThroughRoute,
  services: Services,
): Promise<Buffer | 'changed'> {
  const { config, shaper, upstream } = services;
  const exchange = c.get('exchange');
  const decides = exchange.key?.models !== undefined || !shaper.isIdle || route.asksMore !== undefined;
  const body = readLeniently(bytes, decides);
  const named = modelsNamed(body);
  const models = new Map<string, string>();
  for (const name of named.length > 0 ? named : ['']) {
    const model = await modelFor(name, services);
    models.set(name, model);
    if (model !== '') requireModel(name, model, services, exchange);
  }
  const learn = (model: string | undefined): void => {
    exchange.model = model;
    if (model !== undefined) upstream.catalog.learn(model);
  };
  const shape = nativeShaping[upstream.kind];
  if (shape === undefined) {
    const [name = ''] = named;
    const plain = named.length === 1 && name !== '' && models.get(name) === name && shaper.rule(name) === undefined;
    if (!plain || exchange.key?.hideThinking === true || config.validate_json || route.asksMore?.(body) === true) {
      return 'changed';
    }
    learn(name);
    return bytes;
  }
  const shaped = (whole: unknown): JsonObject | undefined =>
    isObject(whole) ? shape(route.path, whole, shaper, (name) => models.get(name) ?? shaper.resolve(name)) : undefined;
  const changed = shaped(body);
  learn((changed === undefined ? named : modelsNamed(changed)).at(-1));
  // Parsed once more, so that no number loses digits; only where something changes.
  return changed === undefined ? bytes : Buffer.from(JSON.stringify(shaped(parseExact(bytes.toString('utf8')))));
}

/** What is not JSON is the backend's to refuse, unless a key's limits or the operator's rules depend on what it says. */
function readLeniently(body: Buffer, strict: boolean): unknown {
  try {
    return parseJson(body);
  } catch (error) {
    if (strict) throw error;
    return undefined;
  }
}

function tapped(c: Context<Env>, answer: UpstreamAnswer, upstream: Upstream): ReadableStream<Uint8Array> {
  const exchange = c.get('exchange');
  const tap = upstream.backend.tap();
  const source = new Source([Promise.resolve(answer.body)], (bytes) => {
    exchange.chunk();
    tap.push(bytes);
  });
  const finish = (): void => {
    const { finish: total, failed } = tap.end();
    if (total !== undefined) exchange.measured(total);
    const broken = answer.statusCode >= 500 || (failed && answer.statusCode < 400);
    exchange.end(broken ? new GatewayError('upstream_error', 'The upstream failed.') : undefined);
  };
  const transformer: Transformer<Piece, Uint8Array> = {
    transform: (piece, controller) => {
      switch (piece.type) {
        case 'bytes':
          return controller.enqueue(piece.bytes);
        case 'end':
          return finish();
        case 'broken':
          exchange.end(piece.error);
          // A clean end would look like a complete answer.
          if (c.env.outgoing === undefined) controller.error(piece.error);
          else c.env.outgoing.destroy();
          return;
        default:
          piece satisfies never;
      }
    },
    cancel: () => {
      exchange.clientLeft();
      exchange.end();
    },
  };
  return source.stream.pipeThrough(new TransformStream(transformer));
}

function pick(read: (name: string) => string | string[] | undefined, names: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = read(name);
      return typeof value === 'string' ? [[name, value]] : [];
    }),
  );
}
