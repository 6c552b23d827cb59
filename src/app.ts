import { type Context, Hono } from 'hono';
import type { ErrorFormat } from './chat/protocol.ts';
import { GatewayError, asGatewayError } from './errors.ts';
import { type Cors, createCors, isPreflight, preflight } from './http/cors.ts';
import { Guard } from './http/guard.ts';
import { healthz, readyz } from './http/ops.ts';
import { notFound, readTarget, targetOf } from './http/paths.ts';
import { type Env, type Handler, plainHeaders, sendError } from './http/respond.ts';
import { type ClientProtocols, errorsFor } from './protocols/index.ts';
import { createRoutes } from './routes.ts';
import type { Services } from './services.ts';

/** Creates the app: every route, each behind the guard. */
export function createApp(protocols: ClientProtocols, services: Services): Hono<Env> {
  const cors = createCors(services.config.cors);
  const guard = new Guard(services, cors, protocols.targets);
  const { keys_in_path: keysInPath } = services.config;
  const app = new Hono<Env>({
    getPath: (request, { env } = {}) => {
      const target = targetOf(request.url, env);
      const header = (name: string): string | undefined => request.headers.get(name) ?? undefined;
      return readTarget(target, { keysInPath, readers: protocols.targets, header }).path ?? target;
    },
  });
  const serve = (path: string, errors: ErrorFormat, handlers: ReadonlyMap<string, Handler>): void => {
    const refuse = guard.open({ errors }, refuseMethod([...handlers.keys()], errors, cors));
    app.all(path, (c) => (handlers.get(c.req.method === 'HEAD' ? 'GET' : c.req.method) ?? refuse)(c));
  };
  for (const [path, handler] of [
    ['/healthz', healthz(cors)],
    ['/readyz', readyz(services, cors)],
  ] as const) {
    const errors = errorsFor(path);
    const status = guard.status({ errors }, handler);
    // HAProxy checks with OPTIONS unless another method is configured.
    app.options(path, async (c, next) => (isPreflight(c) ? await next() : await status(c)));
    serve(path, errors, new Map([['GET', status]]));
  }
  // HAProxy's check without a path.
  app.options('/', async (c, next) => (isPreflight(c) ? await next() : await healthz(cors)(c)));
  for (const [path, routes] of fixedFirst(Map.groupBy(createRoutes(protocols, services), (route) => route.path))) {
    const handlers = new Map(routes.map((route) => [route.method, guard.protect(route)]));
    serve(path, routes[0]?.errors ?? errorsFor(path), handlers);
  }
  app.notFound((c) => guard.open({ errors: errorsFor(c.req.path) }, refusePath)(c));
  // Hono's own handler would print the stack, and answer in plain text.
  app.onError((error) => refuseMalformed(asGatewayError(error)));
  return app;
}

/** A request goes to the first path that matches: `/v1/responses/compact` must not be taken for a response's id. */
function fixedFirst<Routes>(paths: ReadonlyMap<string, Routes>): [path: string, routes: Routes][] {
  return [...paths].toSorted(([one], [other]) => Number(one.includes('/:')) - Number(other.includes('/:')));
}

function refusePath(): never {
  throw notFound();
}

/** Answers CORS preflights, and refuses every method that the path does not have. */
function refuseMethod(methods: readonly string[], errors: ErrorFormat, cors: Cors): Handler {
  const served = methods.flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : [method]));
  const allow = served.join(', ');
  return (c) => {
    const granted = preflight(c, cors, served);
    if (granted !== undefined) {
      c.get('exchange').status = granted.status;
      return granted;
    }
    if (c.req.method === 'GET' && methods.includes('POST')) return refuseGet(c, errors, allow);
    return sendError(c, new GatewayError('method_not_allowed', `This path takes ${allow}.`), errors, { allow });
  };
}

/** Refuses a GET of a path that takes POST. A client that asks for a WebSocket falls back to HTTP only after a 426. */
function refuseGet(c: Context<Env>, errors: ErrorFormat, allow: string): Response {
  const upgrade = c.req.header('upgrade') ?? '';
  if (/\bwebsocket\b/i.test(upgrade)) {
    const message = 'WebSockets are not served here. Send a POST request; with "stream": true the answer is streamed.';
    const headers = { allow, connection: 'upgrade', upgrade: 'HTTP/1.1' };
    return sendError(c, new GatewayError('method_not_allowed', message, { status: 426 }), errors, headers);
  }
  const wantsEvents = /text\/event-stream/i.test(c.req.header('accept') ?? '');
  const hint = wantsEvents ? ' Send a POST request with "stream": true to get server-sent events.' : '';
  return sendError(c, new GatewayError('method_not_allowed', `This path takes ${allow}.${hint}`), errors, { allow });
}

const malformedTarget = new GatewayError('invalid_value', 'The request target or its Host header is malformed.');

/** Answers a request that cannot be parsed. It has no route, and so the default error format. */
export function refuseMalformed(error = malformedTarget): Response {
  return Response.json(errorsFor('').body(error), { status: error.status, headers: plainHeaders });
}
