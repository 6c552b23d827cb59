import type { ModelListProtocol, ModelProtocol } from '../../../chat/protocol.ts';
import { openaiErrors } from '../error.ts';
import { toModel } from './response.ts';

/** `GET /v1/models`. @see https://platform.openai.com/docs/api-reference/models/list */
export const modelList: ModelListProtocol = {
  path: '/v1/models',
  errors: openaiErrors,
  list: (models) => ({ object: 'list', data: models.map(toModel) }),
};

/** `GET /v1/models/{id}`. @see https://platform.openai.com/docs/api-reference/models/retrieve */
export const model: ModelProtocol = {
  method: 'GET',
  path: '/v1/models/:id{.+}',
  errors: openaiErrors,
  show: toModel,
};
