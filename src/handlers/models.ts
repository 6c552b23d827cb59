import type { ModelDetails, ModelInfo } from '../chat/backend.ts';
import type { ModelListProtocol, ModelProtocol } from '../chat/protocol.ts';
import { modelKey, readConfiguredName } from '../chat/model-name.ts';
import { GatewayError } from '../errors.ts';
import { mayUse } from '../policy/keys.ts';
import { detailsDeadline } from '../pool/models/model-catalog.ts';
import { parseJson } from '../http/request-body.ts';
import type { Exchange } from '../exchange/exchange.ts';
import { resolveModel, requireModel } from './steps/authorize.ts';
import { type RequestHandler, sendJson } from '../http/respond.ts';
import type { Services } from '../services.ts';

type Model = ModelInfo & ModelDetails;

/** Models whose details are requested in parallel. */
const parallelDetails = 8;

/** Lists the models that the key may use, and the operator's aliases for them. */
export function modelListHandler(protocol: ModelListProtocol, services: Services): RequestHandler {
  return async (c) => {
    const { key } = c.get('exchange');
    const all = withAliases(await services.pool.models.list(), services);
    const usable = all.filter(({ name, own }) => key === undefined || mayUse(key, name, own));
    const models: Model[] = [];
    const until = performance.now() + detailsDeadline;
    for (let at = 0; at < usable.length; at += parallelDetails) {
      const some = usable.slice(at, at + parallelDetails);
      // A list without details is better than one that comes too late.
      if (performance.now() > until) models.push(...some);
      else models.push(...(await Promise.all(some.map(async (model) => await detailed(model, model.own, services)))));
    }
    return sendJson(c, 200, protocol.list(models));
  };
}

/** Shows the model in the path. Its id may contain slashes. */
export function modelHandler(protocol: ModelProtocol, services: Services): RequestHandler {
  const start = protocol.path.indexOf(':');
  return async (c) => {
    const id = decodeId(c.req.path.slice(start));
    return sendJson(c, 200, protocol.show(await oneModel(id, c.get('exchange'), services)));
  };
}

/** Shows the model that the request body names. */
export function shownModelHandler({ readName, show }: Required<ModelProtocol>, services: Services): RequestHandler {
  return async (c, body) => {
    const id = readName(parseJson(body));
    return sendJson(c, 200, show(await oneModel(id, c.get('exchange'), services)));
  };
}

/** @throws {GatewayError} 400, 403 or 404 */
async function oneModel(id: string, exchange: Exchange, services: Services): Promise<Model> {
  const { models } = services.pool;
  const resolved = await resolveModel(id, services);
  requireModel(resolved, services, exchange);
  // A model that was pulled a moment ago is not in the list yet.
  const model = find(resolved.model, await models.list()) ?? find(resolved.model, await models.list(0));
  if (model === undefined) throw unknownModel();
  return { ...(await detailed(model, model.name, services)), name: id };
}

/** A model with the name to list it under: its own or an alias. */
interface ListedModel extends ModelInfo {
  /** The model's own name. */
  readonly own: string;
}

/** The models of all servers, and an entry for each alias of one of them. */
function withAliases(models: readonly ModelInfo[], { rules }: Services): ListedModel[] {
  const aliases = [...rules.aliases].flatMap(([alias, target]) => {
    const model = find(readConfiguredName(target), models) ?? find(target, models);
    return model === undefined ? [] : [{ ...model, name: alias, own: model.name }];
  });
  return [...models.map((model) => ({ ...model, own: model.name })), ...aliases];
}

function find(name: string, models: readonly ModelInfo[]): ModelInfo | undefined {
  return models.find((model) => model.name === name) ?? models.find((model) => modelKey(model.name) === modelKey(name));
}

async function detailed(model: ModelInfo, own: string, { pool }: Services): Promise<Model> {
  const { capabilities, contextLength } = await pool.models.details(own);
  return { ...model, ...(capabilities && { capabilities }), ...(contextLength !== undefined && { contextLength }) };
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
