import { Readable } from 'node:stream';
import type { ReadableStream as WebStream, Transformer } from 'node:stream/web';
import type { Context, Handler } from 'hono';
import type { PassThroughRoute } from '../chat/contract.ts';
import type { JsonObject } from '../chat/request.ts';
import { GatewayError } from '../errors.ts';
import { isObject, parseExact } from '../framing/json.ts';
import { shapedNative } from '../policy/native-shaping.ts';
import type { UpstreamAnswer, UpstreamRequest } from '../upstreams/client.ts';
import { parseJson, readBody } from './body.ts';
import { type Env, sendStream } from './respond.ts';
import type { Services, Upstream } from './services.ts';
import { type Piece, Source } from './source.ts';

/** Passes a request on and its answer back, byte for byte, reading along what the backend counted. */
export function passThroughHandler(route: PassThroughRoute, services: Services): Handler<Env> {
  const { upstream } = services;
  return async (c) => {
    const exchange = c.get('exchange');
    const body = await forwardedBody(c, route, services);
    exchange.phase = 'waiting';
    exchange.upstream = upstream.name;
    const answer = await upstream.client.send({
      method: c.req.method,
      // Never the client's own path: only the digest of a blob comes from it, and the router has matched that.
      path: route.path.replace(/:digest\{.*\}$/, c.req.param('digest') ?? ''),
      headers: pick(
        (name) => c.req.header(name),
        ['content-type', 'accept', ...(Buffer.isBuffer(body) ? [] : ['content-length'])],
      ),
      ...(body !== undefined && { body }),
      signal: exchange.signal,
    });
    const headers = pick((name) => answer.headers[name], ['content-type', 'content-length', 'retry-after']);
    if (c.req.method === 'HEAD') {
      await answer.body.dump();
      return sendStream(c, answer.statusCode, null, headers);
    }
    return sendStream(c, answer.statusCode, tapped(c, answer, upstream), headers);
  };
}

/** The body to send on: read whole where the model it names has to be known, else streamed through. */
async function forwardedBody(
  c: Context<Env>,
  route: PassThroughRoute,
  services: Services,
): Promise<UpstreamRequest['body']> {
  const { config, gatekeeper, shaper, upstream } = services;
  const exchange = c.get('exchange');
  const request = c.req.raw;
  if (route.modelsNamed === undefined) {
    return request.body === null ? undefined : Readable.fromWeb(request.body as WebStream<Uint8Array>);
  }
  const bytes = await readBody(request, config.limits.body, config.timeouts.body, exchange.signal);
  const body = readLeniently(bytes, exchange.key?.models !== undefined || !shaper.isIdle);
  const named = route.modelsNamed(body);
  for (const name of named.length > 0 ? named : ['']) {
    const model = shaper.resolve(name);
    if (exchange.key !== undefined && model !== '') gatekeeper.requireModel(exchange.key, name, model);
  }
  const shape = (whole: unknown): JsonObject | undefined =>
    isObject(whole) ? shapedNative(route.path, whole, shaper) : undefined;
  const changed = shape(body);
  exchange.model = (changed === undefined ? named : route.modelsNamed(changed)).at(-1);
  if (exchange.model !== undefined) upstream.catalog.learn(exchange.model);
  // Parsed once more, so that no number loses digits; only where something changes.
  return changed === undefined ? bytes : Buffer.from(JSON.stringify(shape(parseExact(bytes.toString('utf8')))));
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
