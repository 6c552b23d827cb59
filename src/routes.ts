import type { Handler } from 'hono';
import type { PassThroughRoute } from './chat/protocol.ts';
import type { Scope } from './config/schema.ts';
import { type ClientProtocols, nativeRoutes } from './protocols/index.ts';
import { type BodyHandler, withBody } from './server/body.ts';
import { embeddingsHandler } from './server/embeddings.ts';
import { generationHandler } from './server/generation.ts';
import { modelHandler, modelListHandler, shownModelHandler } from './server/models.ts';
import { exposition } from './server/ops.ts';
import { passThroughHandler } from './server/passthrough.ts';
import { resourceHandler } from './server/resource.ts';
import type { Env } from './server/respond.ts';
import type { Services } from './server/services.ts';
import { usageHandler } from './server/usage.ts';

export interface Route {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** A Hono path. */
  readonly path: string;
  /** What a key needs for it. Absent: any key will do. */
  readonly scope?: Scope;
  readonly handler: Handler<Env>;
  readonly idPrefix?: string;
  /** Whether a model runs for it: it has a row in the usage. */
  readonly runsModel?: boolean;
}

/** An endpoint that takes a body, before it is decided whether its upstream speaks the same dialect. */
interface BodyRoute extends Omit<Route, 'handler'> {
  readonly answer: BodyHandler;
}

/**
 * Every route there is. Where the upstream itself speaks a dialect, its requests are passed on as they are; all others
 * are translated.
 */
export function routesOf(protocols: ClientProtocols, services: Services): Route[] {
  const bodies = bodyRoutes(protocols, services);
  const native = nativeRoutes[services.upstream.kind];
  const translated: Route[] = [
    ...bodies.map(({ answer, ...route }) => ({ ...route, handler: withBody(answer, services) })),
    ...readRoutes(protocols, services),
  ];
  const isNative = ({ method, path }: Pick<Route, 'method' | 'path'>): boolean =>
    native.some((route) => route.method === method && route.path === path);
  return [
    { method: 'GET', path: '/metrics', scope: 'metrics', handler: exposition(services.metrics) },
    { method: 'GET', path: '/v1/usage', handler: usageHandler(services.usage) },
    ...translated.filter((route) => !isNative(route)),
    ...native.map((route) => passed(route, bodies, services)),
  ];
}

function passed(route: PassThroughRoute, bodies: readonly BodyRoute[], services: Services): Route {
  const { method, path, scope } = route;
  const same = bodies.find((body) => body.path === path);
  return {
    method,
    path,
    scope,
    handler: passThroughHandler(route, services, same?.answer),
    runsModel: route.outputTokens !== undefined,
    ...(same?.idPrefix !== undefined && { idPrefix: same.idPrefix }),
  };
}

function bodyRoutes({ generation, embeddings, models }: ClientProtocols, services: Services): BodyRoute[] {
  const common = { method: 'POST', scope: 'inference' } as const;
  return [
    ...generation.map((protocol) => ({
      ...common,
      path: protocol.path,
      idPrefix: protocol.idPrefix,
      runsModel: true,
      answer: generationHandler(protocol, services),
    })),
    ...embeddings.map((protocol) => ({
      ...common,
      path: protocol.path,
      runsModel: true,
      answer: embeddingsHandler(protocol, services),
    })),
    ...models.flatMap(({ named, ...protocol }) =>
      named === undefined
        ? []
        : [{ ...common, path: protocol.path, answer: shownModelHandler({ ...protocol, named }, services) }],
    ),
  ];
}

function readRoutes({ modelLists, models, resources }: ClientProtocols, services: Services): Route[] {
  const scope = 'inference';
  return [
    ...modelLists.map((protocol): Route => {
      return { method: 'GET', path: protocol.path, scope, handler: modelListHandler(protocol, services) };
    }),
    ...models
      .filter(({ method }) => method === 'GET')
      .map((protocol): Route => {
        return { method: 'GET', path: protocol.path, scope, handler: modelHandler(protocol, services) };
      }),
    ...resources.map(
      (protocol) =>
        ({
          method: protocol.method,
          path: protocol.path,
          scope,
          handler: resourceHandler(protocol),
        }) satisfies Route,
    ),
  ];
}
