import { type Handler, Hono } from 'hono';
import { GatewayError, asGatewayError } from './errors.ts';
import { type ClientProtocols, errorsFor } from './protocols/index.ts';
import { routesOf } from './routes.ts';
import { admit, authenticate } from './server/middleware/admit.ts';
import { label, observe } from './server/middleware/observe.ts';
import { plainTargetsOnly } from './server/middleware/paths.ts';
import { healthz, readyz } from './server/ops.ts';
import { type Env, sendError } from './server/respond.ts';
import type { Services } from './server/services.ts';

/** The whole service: what every request passes, and the routes. */
export function createApp(protocols: ClientProtocols, services: Services): Hono<Env> {
  const { config, exchanges, gatekeeper, limiter } = services;
  const app = new Hono<Env>();
  app.get('/healthz', healthz);
  app.get('/readyz', readyz(services));
  app.use(observe(exchanges), plainTargetsOnly);

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
  for (const path of new Set(routes.map((route) => route.path))) {
    app.all(path, refuseMethod(routes.filter((route) => route.path === path).map(({ method }) => method)));
  }

  app.notFound((c) =>
    sendError(c, new GatewayError('not_found', 'There is nothing at this path.'), errorsFor(c.req.path)),
  );
  app.onError((error, c) => sendError(c, asGatewayError(error), errorsFor(c.req.path)));
  return app;
}

function refuseMethod(methods: readonly string[]): Handler<Env> {
  const allow = methods.flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : [method])).join(', ');
  return (c) => {
    const error = new GatewayError('method_not_allowed', `This path takes ${allow}.`);
    return sendError(c, error, errorsFor(c.req.path), { allow });
  };
}

/** For a request whose target or Host header cannot be read: it has no route, and no dialect but the default. */
export function refuseMalformed(): Response {
  const error = new GatewayError('invalid_value', 'The request target or its Host header is malformed.');
  return Response.json(errorsFor('').body(error), { status: error.status });
}
