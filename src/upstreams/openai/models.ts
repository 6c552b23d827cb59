import type { ModelDetails, ModelInfo, BackendQuery } from '../../chat/backend.ts';
import { GatewayError } from '../../errors.ts';
import { isObject } from '../../framing/json.ts';
import { isNumberUpTo, onlyStrings, toCount } from '../coerce.ts';

/** The request for the list of models. @see https://platform.openai.com/docs/api-reference/models/list */
export const models: BackendQuery<(ModelInfo & ModelDetails)[]> = {
  method: 'GET',
  path: '/models',
  read: (body) => {
    const list: unknown = isObject(body) ? body['data'] : body;
    if (!Array.isArray(list)) {
      throw new GatewayError('upstream_protocol_error', 'The upstream did not list its models.');
    }
    return list.filter(isObject).flatMap((model) => {
      const { id, created } = model;
      if (typeof id !== 'string' || id === '') return [];
      return [{ name: id, modified: isNumberUpTo(created, maxTime) ? Math.floor(created) : 0, ...detailsOf(model) }];
    });
  },
};

/** Unix seconds: dates far beyond have no form in JSON. */
const maxTime = 1e11;

/** Servers have different fields for the context length, or none. */
const contextLengthReaders: readonly ((model: Readonly<Record<string, unknown>>) => unknown)[] = [
  // OpenRouter, Together, llamaduct
  (model) => model['context_length'],
  // vLLM
  (model) => model['max_model_len'],
  // llama.cpp
  ({ meta }) => (isObject(meta) ? meta['n_ctx_train'] : undefined),
  // Groq
  (model) => model['context_window'],
];

function detailsOf(model: Readonly<Record<string, unknown>>): ModelDetails {
  const contextLength = contextLengthReaders.map((read) => toCount(read(model))).find((length) => length !== undefined);
  const { capabilities } = model;
  return {
    ...(Array.isArray(capabilities) && { capabilities: onlyStrings(capabilities) }),
    ...(contextLength !== undefined && { contextLength }),
  };
}
