import { Hono } from 'hono';
import { GatewayError, asGatewayError } from './errors.ts';
import { type ClientProtocols, errorsFor } from './protocols/index.ts';
import { createRoutes } from './routes.ts';
import { Guard } from './http/guard.ts';
import { type Cors, createCors, preflight } from './http/cors.ts';
import { notFound } from './http/paths.ts';
import { healthz, readyz } from './http/ops.ts';
import { type Env, type RequestHandler, plainHeaders, sendError } from './http/respond.ts';
import type { Services } from './services.ts';

/** The whole service: what every request passes, and the routes. */
export function createApp(protocols: ClientProtocols, services: Services): Hono<Env> {
  const cors = createCors(services.config.cors);
  const entrance = new Guard(services, cors);
  const app = new Hono<Env>();
  const serve = (path: string, handlers: ReadonlyMap<string, RequestHandler>): void => {
    const refuse = entrance.open(refuseMethod([...handlers.keys()], cors));
    app.all(path, (c) => (handlers.get(c.req.method === 'HEAD' ? 'GET' : c.req.method) ?? refuse)(c));
  };
  serve('/healthz', new Map([['GET', healthz(cors)]]));
  serve('/readyz', new Map([['GET', readyz(services, cors)]]));
  for (const [path, routes] of Map.groupBy(createRoutes(protocols, services), (route) => route.path)) {
    serve(path, new Map(routes.map((route) => [route.method, entrance.protect(route)])));
  }
  const nothing = entrance.open(() => {
    throw notFound();
  });
  app.notFound(nothing);
  // Hono's own would print the stack, and answer in plain text.
  app.onError((error) => refuseMalformed(asGatewayError(error)));
  return app;
}

/** Answers what no route has taken: a browser's question whether a page may, and all other methods. */
function refuseMethod(methods: readonly string[], cors: Cors): RequestHandler {
  const taken = methods.flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : [method]));
  const allow = taken.join(', ');
  return (c) => {
    const granted = preflight(c, cors, taken);
    if (granted !== undefined) {
      c.get('exchange').status = granted.status;
      return granted;
    }
    const error = new GatewayError('method_not_allowed', `This path takes ${allow}.`);
    return sendError(c, error, errorsFor(c.req.path), { allow });
  };
}

const malformedTarget = new GatewayError('invalid_value', 'The request target or its Host header is malformed.');

/** For a request that cannot be read: it has no route, and no dialect but the default. */
export function refuseMalformed(error = malformedTarget): Response {
  return Response.json(errorsFor('').body(error), { status: error.status, headers: plainHeaders });
}
