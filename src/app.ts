import { type Handler, Hono } from 'hono';
import type { Scope } from './config/schema.ts';
import { GatewayError, asGatewayError } from './errors.ts';
import { errorBodyFor, protocols } from './protocols/index.ts';
import { embeddingsHandler } from './server/embeddings.ts';
import { generationHandler } from './server/generation.ts';
import { admit, authenticate } from './server/middleware/admit.ts';
import { label, observe } from './server/middleware/observe.ts';
import { plainTargetsOnly } from './server/middleware/paths.ts';
import { modelHandler, modelsHandler } from './server/models.ts';
import { exposition, healthz, readyz } from './server/ops.ts';
import { passThroughHandler } from './server/passthrough.ts';
import { type Env, sendError } from './server/respond.ts';
import type { Services } from './server/services.ts';

interface Route {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** A Hono path. */
  readonly path: string;
  readonly scope: Scope;
  readonly handler: Handler<Env>;
  readonly idPrefix?: string;
}

/** The whole service: every route it answers, and nothing else. */
export function createApp(services: Services): Hono<Env> {
  const { config, exchanges, gatekeeper, metrics } = services;
  const app = new Hono<Env>();
  app.get('/healthz', healthz);
  app.get('/readyz', readyz(services));
  app.use(observe(exchanges), plainTargetsOnly);

  const routes: Route[] = [
    { method: 'GET', path: '/metrics', scope: 'metrics', handler: exposition(metrics) },
    ...protocols.generation(config).map((protocol) => ({
      method: 'POST' as const,
      path: protocol.path,
      scope: 'inference' as const,
      handler: generationHandler(protocol, services),
      idPrefix: protocol.idPrefix,
    })),
    ...protocols.embeddings.map((protocol): Route => {
      const handler = embeddingsHandler(protocol, services);
      return { method: 'POST', path: protocol.path, scope: 'inference', handler };
    }),
    ...protocols.models.flatMap((protocol): Route[] => [
      { method: 'GET', path: protocol.path, scope: 'inference', handler: modelsHandler(protocol, services) },
      {
        method: 'GET',
        path: `${protocol.path}/:id{.+}`,
        scope: 'inference',
        handler: modelHandler(protocol, services),
      },
    ]),
    ...protocols.passThrough.map((route) => ({ ...route, handler: passThroughHandler(route, services) })),
  ];
  for (const { method, path, scope, handler, idPrefix = 'req_' } of routes) {
    app.on(
      method,
      path,
      label(path.replace(/:(\w+)\{.*\}/, '{$1}'), idPrefix),
      authenticate(gatekeeper, scope),
      admit(exchanges, config.limits.in_flight),
      handler,
    );
  }
  for (const path of new Set(routes.map((route) => route.path))) {
    app.all(path, refuseMethod(routes.filter((route) => route.path === path).map(({ method }) => method)));
  }

  app.notFound((c) =>
    sendError(c, new GatewayError('not_found', 'There is nothing at this path.'), errorBodyFor(c.req.path)),
  );
  app.onError((error, c) => sendError(c, asGatewayError(error), errorBodyFor(c.req.path)));
  return app;
}

function refuseMethod(methods: readonly string[]): Handler<Env> {
  const allow = methods.flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : [method])).join(', ');
  return (c) => {
    const error = new GatewayError('method_not_allowed', `This path takes ${allow}.`);
    return sendError(c, error, errorBodyFor(c.req.path), { allow });
  };
}

/** For a request whose target or Host header cannot be read: it has no route, and no dialect but the default. */
export function refuseMalformed(): Response {
  const error = new GatewayError('invalid_value', 'The request target or its Host header is malformed.');
  return Response.json(errorBodyFor('')(error), { status: error.status });
}
