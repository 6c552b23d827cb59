import type { Handler } from 'hono';
import type { ModelInfo, ModelsProtocol } from '../chat/contract.ts';
import { GatewayError } from '../errors.ts';
import { mayUse } from '../policy/keys.ts';
import { type Env, sendJson } from './respond.ts';
import type { Services } from './services.ts';

/** Lists the models the key may use, and the operator's own names for them. */
export function modelsHandler(protocol: ModelsProtocol, services: Services): Handler<Env> {
  return async (c) => {
    const { key } = c.get('exchange');
    const models = await listed(services);
    const usable = models.filter(({ name }) => key === undefined || mayUse(key, name, services.shaper.resolve(name)));
    return sendJson(c, 200, protocol.list(usable));
  };
}

/** Shows one model; its id is what follows `protocol.path/`, slashes and all. */
export function modelHandler(protocol: ModelsProtocol, services: Services): Handler<Env> {
  return async (c) => {
    const id = decodeId(new URL(c.req.url).pathname.slice(protocol.path.length + 1));
    const { key } = c.get('exchange');
    if (key !== undefined) services.gatekeeper.requireModel(key, id, services.shaper.resolve(id));
    const models = await listed(services);
    const model = models.find(({ name }) => name === id) ?? models.find(({ name }) => name === `${id}:latest`);
    if (model === undefined) throw unknownModel();
    return sendJson(c, 200, protocol.one({ ...model, name: id }));
  };
}

/** The upstream's models, and an entry for each alias of one of them. */
async function listed({ shaper, upstream }: Services): Promise<ModelInfo[]> {
  const models = await upstream.catalog.list();
  const aliases = [...shaper.aliases].flatMap(([alias, target]) => {
    const model = models.find(({ name }) => name === target || name === `${target}:latest`);
    return model === undefined ? [] : [{ ...model, name: alias }];
  });
  return [...models, ...aliases];
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
