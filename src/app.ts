import { type Handler, Hono } from 'hono';
import { GatewayError, asGatewayError } from './errors.ts';
import { type ClientProtocols, errorsFor } from './protocols/index.ts';
import { routesOf } from './routes.ts';
import { admit, authenticate } from './server/middleware/admit.ts';
import { type Cors, allowOrigins, corsOf, preflight } from './server/middleware/cors.ts';
import { label, observe } from './server/middleware/observe.ts';
import { plainTargetsOnly } from './server/middleware/paths.ts';
import { healthz, readyz } from './server/ops.ts';
import { type Env, plainHeaders, sendError } from './server/respond.ts';
import type { Services } from './server/services.ts';

/** The whole service: what every request passes, and the routes. */
export function createApp(protocols: ClientProtocols, services: Services): Hono<Env> {
  const { config, exchanges, gatekeeper, limiter } = services;
  const cors = corsOf(config.cors);
  const app = new Hono<Env>();
  app.get('/healthz', healthz(cors));
  app.get('/readyz', readyz(services, cors));
  app.use(observe(exchanges), allowOrigins(cors), plainTargetsOnly);

  const routes = routesOf(protocols, services);
  for (const { method, path, scope, handler, idPrefix = 'req_', runsModel = false } of routes) {
    app.on(
      method,
      path,
      label(path.replace(/:(\w+)(\{.*\})?/, '{$1}'), idPrefix, runsModel),
      authenticate(gatekeeper, scope),
      admit(exchanges, config.limits.in_flight, limiter),
      handler,
    );
  }
  for (const [path, taken] of Map.groupBy(routes, (route) => route.path)) {
    const methods = taken.map(({ method }) => method);
    app.all(path, refuseMethod(methods, cors));
  }
  for (const path of ['/healthz', '/readyz']) app.all(path, refuseMethod(['GET'], cors));

  app.notFound((c) =>
    sendError(c, new GatewayError('not_found', 'There is nothing at this path.'), errorsFor(c.req.path)),
  );
  app.onError((error, c) => sendError(c, asGatewayError(error), errorsFor(c.req.path)));
  return app;
}

/** Answers what no route has taken: a browser's question whether a page may, and all other methods. */
function refuseMethod(methods: readonly string[], cors: Cors): Handler<Env> {
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
