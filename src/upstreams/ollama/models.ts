import type { ListResponse, ShowResponse } from 'ollama';
import type { BackendQuery, LoadedModel, ModelDetails, ModelInfo } from '../../chat/backend.ts';
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
    modelsIn(body).map(({ name, modified_at: modifiedAt, size }) => ({
      name,
      modified: Math.floor((toTime(modifiedAt) ?? 0) / 1000),
      ...present({ bytes: toCount(size) }),
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

/** The request for the loaded models. @see https://docs.ollama.com/api/ps */
export const loaded: BackendQuery<LoadedModel[]> = {
  method: 'GET',
  path: '/api/ps',
  read: (body) =>
    modelsIn(body).map((model) => ({
      name: model.name,
      ...present({
        bytes: toCount(model['size']),
        gpuBytes: toCount(model['size_vram']),
        contextLength: toCount(model['context_length']),
        expires: toTime(model['expires_at']),
      }),
    })),
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

/** @returns milliseconds since the epoch; undefined if the text is no time */
function toTime(text: unknown): number | undefined {
  const time = typeof text === 'string' ? Date.parse(text) : NaN;
  return Number.isNaN(time) ? undefined : time;
}

/** @returns the members that are defined */
function present<T extends object>(members: T): { [Name in keyof T]?: Exclude<T[Name], undefined> } {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as ReturnType<
    typeof present<T>
  >;
}
