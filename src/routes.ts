import { type ClientProtocols, nativeRoutes } from './protocols/index.ts';
import { withBody } from './http/request-body.ts';
import { embeddingsPlanner } from './handlers/embeddings.ts';
import type { Route } from './http/guard.ts';
import { generationPlanner } from './handlers/generation.ts';
import { modelHandler, modelListHandler, shownModelHandler } from './handlers/models.ts';
import { exposition } from './http/ops.ts';
import { mergedListHandler, namesModels, passingHandler, passingOr } from './handlers/passthrough/handler.ts';
import { type Planner, carryingOut } from './handlers/plan.ts';
import { resourceHandler } from './handlers/resource.ts';
import type { Services } from './services.ts';
import { usageHandler } from './handlers/usage.ts';

/** An endpoint whose body says what is asked of a model. */
interface PlannedRoute extends Omit<Route, 'handler'> {
  readonly planner: Planner;
}

/**
 * Every route there is. What an upstream itself speaks is passed on to it as it is; all else is translated.
 */
export function createRoutes(protocols: ClientProtocols, services: Services): Route[] {
  const planned = plannedRoutes(protocols, services);
  const read = readRoutes(protocols, services);
  const { upstreams } = services.pool;
  const kinds = [...new Set(upstreams.map(({ kind }) => kind))];
  const native = kinds.flatMap((kind) => nativeRoutes[kind].map((route) => ({ kind, route })));
  const plain = native.filter(({ route }) => !namesModels(route)).map(({ route }) => route);
  const several = upstreams.length > 1;
  // Only an Ollama tells what it has loaded, and all there is to tell of a model; the list of all kinds is made here.
  const merged = several
    ? plain.filter(({ lists, path }) => lists === true && (kinds.length === 1 || path === '/api/ps'))
    : [];
  const passed = several ? plain.filter((route) => !read.some((other) => same(route, other))) : plain;
  const taken = [...merged, ...passed];
  return [
    { method: 'GET', path: '/metrics', scope: 'metrics', handler: exposition(services.metrics) },
    { method: 'GET', path: '/v1/usage', handler: usageHandler(services.usage) },
    ...read.filter((route) => !taken.some((other) => same(route, other))),
    ...merged.map((route) => ({ ...route, handler: mergedListHandler(route, services) })),
    ...passed.map((route) => ({ ...route, handler: passingHandler(route, services) })),
    ...planned.map(({ planner, ...route }): Route => {
      const natives = native.flatMap(({ kind, route: other }) =>
        namesModels(other) && same(route, other) ? [{ kind, route: other }] : [],
      );
      return { ...route, handler: withBody(carryingOut(passingOr(natives, planner, services), services), services) };
    }),
  ];
}

function same(one: Pick<Route, 'method' | 'path'>, other: Pick<Route, 'method' | 'path'>): boolean {
  return one.method === other.method && one.path === other.path;
}

function plannedRoutes({ generation, embeddings, models }: ClientProtocols, services: Services): PlannedRoute[] {
  const common = { method: 'POST', scope: 'inference' } as const;
  return [
    ...generation.map((protocol) => ({
      ...common,
      path: protocol.path,
      idPrefix: protocol.idPrefix,
      runsModel: true,
      planner: generationPlanner(protocol, services),
    })),
    ...embeddings.map((protocol) => ({
      ...common,
      path: protocol.path,
      runsModel: true,
      planner: embeddingsPlanner(protocol, services),
    })),
    ...models.flatMap(({ named, ...protocol }) =>
      named === undefined
        ? []
        : [{ ...common, path: protocol.path, planner: shownModelHandler({ ...protocol, named }, services) }],
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
