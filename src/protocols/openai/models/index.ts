import type { ModelsProtocol } from '../../../chat/contract.ts';
import { openaiError } from '../error.ts';
import { toModel } from './response.ts';

/** `GET /v1/models` and `/v1/models/{id}`. @see https://platform.openai.com/docs/api-reference/models */
export const models: ModelsProtocol = {
  path: '/v1/models',
  errorBody: openaiError,
  list: (all) => ({ object: 'list', data: all.map(toModel) }),
  one: toModel,
};
