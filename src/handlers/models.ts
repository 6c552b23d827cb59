import type { ModelDetails, ModelInfo } from '../chat/backend.ts';
import type { ModelListProtocol, ModelProtocol } from '../chat/protocol.ts';
import { GatewayError } from '../errors.ts';
import { mayUse } from '../policy/keys.ts';
import { detailsDeadline } from '../pool/model-catalog.ts';
import { type BodyHandler, parseJson } from '../http/request-body.ts';
import type { Exchange } from '../exchange/exchange.ts';
import { resolveModel, requireModel } from './steps/apply-rules.ts';
import { type RequestHandler, sendJson } from '../http/respond.ts';
import type { Services } from '../services.ts';

type Model = ModelInfo & ModelDetails;

/** Models whose details are asked for side by side. */
const askedAtOnce = 8;

/** Lists the models the key may use, and the operator's own names for them. */
export function modelListHandler(protocol: ModelListProtocol, services: Services): RequestHandler {
  const { rules, pool } = services;
  return async (c) => {
    const { key } = c.get('exchange');
    const all = named(await pool.models.list(), services);
    const usable = all.filter(({ name }) => key === undefined || mayUse(key, name, rules.resolve(name)));
    const models: Model[] = [];
    const until = performance.now() + detailsDeadline;
    for (let at = 0; at < usable.length; at += askedAtOnce) {
      const some = usable.slice(at, at + askedAtOnce);
      // A list without details is worth more than one that comes too late.
      if (performance.now() > until) models.push(...some);
      else models.push(...(await Promise.all(some.map(async (model) => await detailed(model, services)))));
    }
    return sendJson(c, 200, protocol.list(models));
  };
}

/** Shows the model that a path names: what stands for `:id`, slashes and all. */
export function modelHandler(protocol: ModelProtocol, services: Services): RequestHandler {
  const start = protocol.path.indexOf(':');
  return async (c) => {
    const id = decodeId(new URL(c.req.url).pathname.slice(start));
    return sendJson(c, 200, protocol.one(await oneModel(id, c.get('exchange'), services)));
  };
}

/** Shows the model that a body names. */
export function shownModelHandler({ named: nameOf, one }: Required<ModelProtocol>, services: Services): BodyHandler {
  return async (c, body) => {
    const id = nameOf(parseJson(body));
    return sendJson(c, 200, one(await oneModel(id, c.get('exchange'), services)));
  };
}

/** @throws {GatewayError} 403 or 404 */
async function oneModel(id: string, exchange: Exchange, services: Services): Promise<Model> {
  const { models } = services.pool;
  requireModel(id, await resolveModel(id, services), services, exchange);
  // What was pulled a moment ago is not in the list yet.
  const model =
    find(id, named(await models.list(), services)) ??
    find(id, named(await models.list(0), services)) ??
    find(await resolveModel(id, services), await models.list());
  if (model === undefined) throw unknownModel();
  return { ...(await detailed(model, services)), name: id };
}

/** The upstream's models, and an entry for each alias of one of them. */
function named(models: readonly ModelInfo[], { rules }: Services): ModelInfo[] {
  const aliases = [...rules.aliases].flatMap(([alias, target]) => {
    const model = find(target, models);
    return model === undefined ? [] : [{ ...model, name: alias }];
  });
  return [...models, ...aliases];
}

function find(id: string, models: readonly ModelInfo[]): ModelInfo | undefined {
  return models.find(({ name }) => name === id) ?? models.find(({ name }) => name === `${id}:latest`);
}

async function detailed(model: ModelInfo, { rules, pool }: Services): Promise<Model> {
  return { ...model, ...(await pool.models.details(rules.resolve(model.name))) };
}

function decodeId(encoded: string): string {
  try {
    return decodeURIComponent(encoded);
  } catch {
    throw unknownModel();
  }
}

function unknownModel(): GatewayError {
  return new GatewayError('model_not_found', 'The model does not exist.', { param: 'model' });
}
