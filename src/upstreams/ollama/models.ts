import type { ListResponse, ShowResponse } from 'ollama';
import type { ModelDetails, ModelInfo, BackendQuery } from '../../chat/backend.ts';
import { modelKey } from '../../chat/model-name.ts';
import { GatewayError } from '../../errors.ts';
import { isObject } from '../../framing/json.ts';
import { onlyStrings, toCount } from '../coerce.ts';

/** The request for the server's version. @see https://docs.ollama.com/api-reference/get-version */
export const version: BackendQuery<string | undefined> = {
  method: 'GET',
  path: '/api/version',
  read: (body) => {
    const text = isObject(body) ? body['version'] : undefined;
    return typeof text === 'string' ? text.slice(0, 64) : undefined;
  },
};

/** The request for the list of models. @see https://docs.ollama.com/api/tags */
export const models: BackendQuery<ModelInfo[]> = {
  method: 'GET',
  path: '/api/tags',
  read: (body) =>
    modelsIn(body).map(({ name, modified_at: modifiedAt }) => ({
      name,
      modified: typeof modifiedAt === 'string' ? Math.floor((Date.parse(modifiedAt) || 0) / 1000) : 0,
    })),
};

/** The request for a model's details, of which older servers report fewer. @see https://docs.ollama.com/api-reference/show-model-details */
export function details(model: string): BackendQuery<ModelDetails> {
  return {
    method: 'POST',
    path: '/api/show',
    body: { model },
    read: (body) => {
      const {
        capabilities,
        model_info: info,
        parameters,
      } = (isObject(body) ? body : {}) as Partial<Record<keyof ShowResponse, unknown>>;
      const architecture = isObject(info) ? info['general.architecture'] : undefined;
      const contextLength =
        isObject(info) && typeof architecture === 'string'
          ? toCount(info[`${architecture}.context_length`])
          : undefined;
      return {
        ...(Array.isArray(capabilities) && { capabilities: onlyStrings(capabilities) }),
        ...(contextLength !== undefined && { contextLength }),
        ...configuredContext(parameters),
      };
    },
  };
}

/** @param parameters those of the model's file, one a line: `num_ctx    8192` */
function configuredContext(parameters: unknown): Pick<ModelDetails, 'configuredContext'> {
  const size = typeof parameters === 'string' ? /^num_ctx\s+(\d+)/m.exec(parameters)?.[1] : undefined;
  return size === undefined ? {} : { configuredContext: Number(size) };
}

/** The request for the names of the loaded models. @see https://docs.ollama.com/api/ps */
export const loaded: BackendQuery<string[]> = {
  method: 'GET',
  path: '/api/ps',
  read: (body) => modelsIn(body).map(({ name }) => name),
};

/** The request for the context size, in tokens, with which a model is loaded. @see https://docs.ollama.com/api/ps */
export function contextLength(name: string): BackendQuery<number | undefined> {
  const key = modelKey(name);
  return {
    method: 'GET',
    path: '/api/ps',
    read: (body) => {
      const model = modelsIn(body).find((loadedModel) => modelKey(loadedModel.name) === key);
      return toCount(model?.['context_length']);
    },
  };
}

type ListedModel = Readonly<Record<string, unknown>> & { readonly name: string };

/** The entries that have a name. @throws {GatewayError} `upstream_protocol_error` when there is no list */
function modelsIn(body: unknown): ListedModel[] {
  const list: unknown = isObject(body) ? body['models' satisfies keyof ListResponse] : undefined;
  if (!Array.isArray(list)) throw new GatewayError('upstream_protocol_error', 'The upstream did not list its models.');
  return list.filter((model): model is ListedModel => isObject(model) && typeof model['name'] === 'string');
}
