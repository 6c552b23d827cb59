import type { PassThroughRoute } from './chat/protocol.ts';
import { embeddingsHandler } from './handlers/embeddings.ts';
import { generationHandler } from './handlers/generation.ts';
import { modelHandler, modelListHandler, shownModelHandler } from './handlers/models.ts';
import { passthroughHandler, passthroughOrTranslate } from './handlers/passthrough/handler.ts';
import { mergedListHandler } from './handlers/passthrough/lists.ts';
import { namesModels } from './handlers/passthrough/rewrite.ts';
import { resourceHandler } from './handlers/resource.ts';
import { errorFormatOf } from './handlers/steps/field-names.ts';
import { statusHandler } from './handlers/status.ts';
import { listingModels } from './handlers/steps/unknown-model.ts';
import { usageHandler } from './handlers/usage.ts';
import type { Route } from './http/guard.ts';
import { exposition } from './http/ops.ts';
import { type ClientProtocols, errorsFor, nativeRoutes } from './protocols/index.ts';
import type { Services } from './services.ts';
import type { BackendKind } from './upstreams/index.ts';

/** All routes. Requests in the API of their upstream are passed on unchanged; all others are translated. */
export function createRoutes(protocols: ClientProtocols, services: Services): Route[] {
  const { upstreams } = services.pool;
  const kinds = [...new Set(upstreams.map(({ kind }) => kind))];
  const native = kinds.flatMap((kind) => nativeRoutes[kind].map((route) => ({ kind, route })));
  const without = native.flatMap(({ route }) => (namesModels(route) ? [] : [route]));
  const read = readRoutes(protocols, services);
  const passed = passedRoutes(without, read, kinds, services);
  return [
    {
      method: 'GET',
      path: '/metrics',
      scope: 'metrics',
      errors: errorsFor('/metrics'),
      handler: exposition(services.metrics),
    },
    {
      method: 'GET',
      path: '/v1/usage',
      errors: errorsFor('/v1/usage'),
      handler: usageHandler(services.usage, services.limiter),
    },
    {
      method: 'GET',
      path: '/v1/status',
      errors: errorsFor('/v1/status'),
      handler: statusHandler(services),
    },
    ...read.filter((route) => !passed.some((other) => isSame(route, other))),
    ...passed,
    ...modelRoutes(protocols, services).map((route) => {
      const natives = native.flatMap(({ kind, route: other }) =>
        namesModels(other) && isSame(route, other) ? [{ kind, route: other }] : [],
      );
      return { ...route, handler: passthroughOrTranslate(natives, route.handler, services) };
    }),
  ];
}

function isSame(one: Pick<Route, 'method' | 'path'>, other: Pick<Route, 'method' | 'path'>): boolean {
  return one.method === other.method && one.path === other.path;
}

/** Routes of the upstreams' own APIs that run no model. With several servers, lists are merged or made here. */
function passedRoutes(
  native: readonly PassThroughRoute[],
  read: readonly Route[],
  kinds: readonly BackendKind[],
  services: Services,
): Route[] {
  if (services.pool.upstreams.length === 1) {
    return native.map((route) => ({ ...withErrors(route), handler: passthroughHandler(route, services) }));
  }
  return native.flatMap((route): Route[] => {
    // Only Ollama reports what it has loaded, and every detail of a model. The list of all kinds is made here.
    if (route.listsModels === true && (kinds.length === 1 || route.path === '/api/ps')) {
      return [{ ...withErrors(route), handler: mergedListHandler(route, services) }];
    }
    if (read.some((other) => isSame(route, other))) return [];
    return [{ ...withErrors(route), handler: passthroughHandler(route, services) }];
  });
}

function withErrors(route: PassThroughRoute): PassThroughRoute & Pick<Route, 'errors'> {
  return { ...route, errors: errorsFor(route.path) };
}

/** Routes whose body names a model. */
function modelRoutes({ generation, embeddings, models }: ClientProtocols, services: Services): Route[] {
  const common = { method: 'POST', scope: 'inference', readsBody: true } as const;
  return [
    ...generation.map((protocol) => ({
      ...common,
      path: protocol.path,
      errors: errorFormatOf(protocol),
      idPrefix: protocol.idPrefix,
      runsModel: true,
      handler: listingModels(protocol.path, generationHandler(protocol, services), services),
    })),
    ...embeddings.map((protocol) => ({
      ...common,
      path: protocol.path,
      errors: protocol.errors,
      moreValues: protocol.maxTokens ?? 0,
      runsModel: true,
      handler: listingModels(protocol.path, embeddingsHandler(protocol, services), services),
    })),
    ...models.flatMap(({ readName, ...protocol }) =>
      readName === undefined
        ? []
        : [
            {
              ...common,
              path: protocol.path,
              errors: protocol.errors,
              handler: shownModelHandler({ ...protocol, readName }, services),
            },
          ],
    ),
  ];
}

/** Routes that read something and run no model. */
function readRoutes({ modelLists, models, resources }: ClientProtocols, services: Services): Route[] {
  const scope = 'inference';
  return [
    ...modelLists.map((protocol): Route => ({
      method: 'GET',
      path: protocol.path,
      scope,
      errors: protocol.errors,
      handler: modelListHandler(protocol, services),
    })),
    ...models
      .filter(({ method }) => method === 'GET')
      .map((protocol): Route => ({
        method: 'GET',
        path: protocol.path,
        scope,
        errors: protocol.errors,
        handler: listingModels(protocol.path, modelHandler(protocol, services), services),
      })),
    ...resources.map((protocol): Route => ({
      method: protocol.method,
      path: protocol.path,
      scope,
      errors: protocol.errors,
      readsBody: protocol.method === 'POST',
      handler: resourceHandler(protocol, services),
    })),
  ];
}
