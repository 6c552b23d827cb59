import { Readable } from 'node:stream';
import type { ReadableStream as WebStream, Transformer } from 'node:stream/web';
import type { Context, Handler } from 'hono';
import type { PassThroughRoute } from '../chat/contract.ts';
import { GatewayError } from '../errors.ts';
import type { UpstreamAnswer, UpstreamRequest } from '../upstreams/client.ts';
import { parseJson, readBody } from './body.ts';
import { type Env, sendStream } from './respond.ts';
import type { Services, Upstream } from './services.ts';
import { Source } from './source.ts';

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
      headers: pick((name) => c.req.header(name), ['content-type', 'accept', 'content-length']),
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
  const { config, gatekeeper, upstream } = services;
  const exchange = c.get('exchange');
  const request = c.req.raw;
  if (route.modelsNamed === undefined) {
    return request.body === null ? undefined : Readable.fromWeb(request.body as WebStream<Uint8Array>);
  }
  const body = await readBody(request, config.limits.body, config.timeouts.body);
  const models = route.modelsNamed(readLeniently(body, exchange.key?.models !== undefined));
  for (const model of models) if (exchange.key !== undefined) gatekeeper.requireModel(exchange.key, model);
  exchange.model = models.at(-1);
  if (exchange.model !== undefined) upstream.catalog.learn(exchange.model);
  return body;
}

/** What is not JSON is the backend's to refuse, unless the key is limited to models: then nothing passes unread. */
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
  const source = new Source(answer.body, (bytes) => {
    exchange.chunk();
    tap.push(bytes);
  });
  const transformer: Transformer<Uint8Array, Uint8Array> = {
    flush: (controller) => {
      if (source.error !== undefined) {
        exchange.end(source.error);
        // A clean end would look like a complete answer.
        if (c.env.outgoing === undefined) controller.error(source.error);
        else c.env.outgoing.destroy();
        return;
      }
      const { finish, failed } = tap.end();
      if (finish !== undefined) exchange.measured(finish);
      exchange.end(
        failed && answer.statusCode < 400 ? new GatewayError('upstream_error', 'The upstream failed.') : undefined,
      );
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
