import type { Handler } from 'hono';
import type { ModelsProtocol } from '../chat/contract.ts';
import { GatewayError } from '../errors.ts';
import { mayUse } from '../policy/keys.ts';
import { type Env, sendJson } from './respond.ts';
import type { Services } from './services.ts';

/** Lists the models the key may use. */
export function modelsHandler(protocol: ModelsProtocol, services: Services): Handler<Env> {
  return async (c) => {
    const { key } = c.get('exchange');
    const models = await services.upstream.catalog.list();
    return sendJson(c, 200, protocol.list(models.filter(({ name }) => key === undefined || mayUse(key, name))));
  };
}

/** Shows one model; its id is what follows `protocol.path/`, slashes and all. */
export function modelHandler(protocol: ModelsProtocol, services: Services): Handler<Env> {
  return async (c) => {
    const id = decodeId(new URL(c.req.url).pathname.slice(protocol.path.length + 1));
    const { key } = c.get('exchange');
    if (key !== undefined) services.gatekeeper.requireModel(key, id);
    const models = await services.upstream.catalog.list();
    const model = models.find(({ name }) => name === id) ?? models.find(({ name }) => name === `${id}:latest`);
    if (model === undefined) throw unknownModel();
    return sendJson(c, 200, protocol.one({ ...model, name: id }));
  };
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
