import type { ListResponse, ShowResponse } from 'ollama';
import type { ModelInfo, Question } from '../../chat/contract.ts';
import { GatewayError } from '../../errors.ts';
import { isObject } from '../../framing/json.ts';

/** @see https://docs.ollama.com/api/tags */
export const models: Question<ModelInfo[]> = {
  method: 'GET',
  path: '/api/tags',
  read: (body) =>
    listOf(body, 'models' satisfies keyof ListResponse).map(({ name, modified_at: modifiedAt }) => ({
      name: String(name),
      modified: Math.floor((Date.parse(String(modifiedAt)) || 0) / 1000),
    })),
};

/** Older servers tell none. @see https://docs.ollama.com/api-reference/show-model-details */
export function capabilities(model: string): Question<ReadonlySet<string> | undefined> {
  return {
    method: 'POST',
    path: '/api/show',
    body: { model },
    read: (body) => {
      const told = isObject(body) ? body['capabilities' satisfies keyof ShowResponse] : undefined;
      return Array.isArray(told) ? new Set(told.map(String)) : undefined;
    },
  };
}

/** @see https://docs.ollama.com/api/ps */
export function contextLength(model: string): Question<number | undefined> {
  const names = [model.toLowerCase(), `${model.toLowerCase()}:latest`];
  return {
    method: 'GET',
    path: '/api/ps',
    read: (body) => {
      const loaded = listOf(body, 'models').find(({ name }) => names.includes(String(name).toLowerCase()));
      const length = loaded?.['context_length'];
      return typeof length === 'number' ? length : undefined;
    },
  };
}

function listOf(body: unknown, field: string): Readonly<Record<string, unknown>>[] {
  const list: unknown = isObject(body) ? body[field] : undefined;
  if (!Array.isArray(list)) throw new GatewayError('upstream_protocol_error', 'The upstream did not list its models.');
  return list.filter(isObject);
}
