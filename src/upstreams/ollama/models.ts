import type { ListResponse, ShowResponse } from 'ollama';
import type { ModelDetails, ModelInfo, Question } from '../../chat/backend.ts';
import { GatewayError } from '../../errors.ts';
import { isObject } from '../../framing/json.ts';
import { count, texts } from '../coerce.ts';

/** @see https://docs.ollama.com/api/tags */
export const models: Question<ModelInfo[]> = {
  method: 'GET',
  path: '/api/tags',
  read: (body) =>
    listOf(body, 'models' satisfies keyof ListResponse).map(({ name, modified_at: modifiedAt }) => ({
      name,
      modified: typeof modifiedAt === 'string' ? Math.floor((Date.parse(modifiedAt) || 0) / 1000) : 0,
    })),
};

/** Older servers tell less. @see https://docs.ollama.com/api-reference/show-model-details */
export function details(model: string): Question<ModelDetails> {
  return {
    method: 'POST',
    path: '/api/show',
    body: { model },
    read: (body) => {
      const { capabilities, model_info: info } = (isObject(body) ? body : {}) as Partial<
        Record<keyof ShowResponse, unknown>
      >;
      const architecture = isObject(info) ? info['general.architecture'] : undefined;
      const contextLength =
        isObject(info) && typeof architecture === 'string' ? count(info[`${architecture}.context_length`]) : undefined;
      return {
        ...(Array.isArray(capabilities) && { capabilities: texts(capabilities) }),
        ...(contextLength !== undefined && { contextLength }),
      };
    },
  };
}

/** @see https://docs.ollama.com/api/ps */
export const loaded: Question<string[]> = {
  method: 'GET',
  path: '/api/ps',
  read: (body) => listOf(body, 'models').map(({ name }) => name),
};

/** @see https://docs.ollama.com/api/ps */
export function contextLength(model: string): Question<number | undefined> {
  const names = [model.toLowerCase(), `${model.toLowerCase()}:latest`];
  return {
    method: 'GET',
    path: '/api/ps',
    read: (body) => {
      const loaded = listOf(body, 'models').find(({ name }) => names.includes(name.toLowerCase()));
      return count(loaded?.['context_length']);
    },
  };
}

type Listed = Readonly<Record<string, unknown>> & { readonly name: string };

function listOf(body: unknown, field: string): Listed[] {
  const list: unknown = isObject(body) ? body[field] : undefined;
  if (!Array.isArray(list)) throw new GatewayError('upstream_protocol_error', 'The upstream did not list its models.');
  return list.filter((model): model is Listed => isObject(model) && typeof model['name'] === 'string');
}
