import type { ListResponse } from 'ollama';
import type { ModelInfo } from '../../chat/contract.ts';
import { GatewayError } from '../../errors.ts';
import { isObject } from '../../framing/json.ts';

/** Reads the body of `GET /api/tags`. @see https://docs.ollama.com/api/tags */
export function readTags(body: unknown): ModelInfo[] {
  const models: unknown = isObject(body) ? body['models' satisfies keyof ListResponse] : undefined;
  if (!Array.isArray(models))
    throw new GatewayError('upstream_protocol_error', 'The upstream did not list its models.');
  return models.filter(isObject).map(({ name, modified_at: modifiedAt }) => ({
    name: String(name),
    modified: Math.floor((Date.parse(String(modifiedAt)) || 0) / 1000),
  }));
}
