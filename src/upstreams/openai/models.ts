import type { ModelDetails, ModelInfo, Question } from '../../chat/backend.ts';
import { GatewayError } from '../../errors.ts';
import { isObject } from '../../framing/json.ts';

/** @see https://platform.openai.com/docs/api-reference/models/list */
export const models: Question<ModelInfo[]> = {
  method: 'GET',
  path: '/models',
  read: (body) => {
    const list: unknown = isObject(body) ? body['data'] : body;
    if (!Array.isArray(list)) {
      throw new GatewayError('upstream_protocol_error', 'The upstream did not list its models.');
    }
    return list.filter(isObject).flatMap(({ id, created }) => {
      if (typeof id !== 'string' || id === '') return [];
      return [{ name: id, modified: typeof created === 'number' ? Math.floor(created) : 0 }];
    });
  },
};

/** Servers name the length of the context each in their own way, if at all. */
const lengths: readonly ((model: Readonly<Record<string, unknown>>) => unknown)[] = [
  // OpenRouter, Together, llamaduct
  (model) => model['context_length'],
  // vLLM
  (model) => model['max_model_len'],
  // llama.cpp
  ({ meta }) => (isObject(meta) ? meta['n_ctx_train'] : undefined),
  // Groq
  (model) => model['context_window'],
];

/** @see https://platform.openai.com/docs/api-reference/models/retrieve */
export function details(model: string): Question<ModelDetails> {
  return {
    method: 'GET',
    path: `/models/${pathOf(model)}`,
    read: (body) => {
      const found = isObject(body) ? body : {};
      const contextLength = lengths.map((read) => read(found)).find((length) => typeof length === 'number');
      const { capabilities } = found;
      return {
        ...(Array.isArray(capabilities) && { capabilities: capabilities.map(String) }),
        ...(contextLength !== undefined && { contextLength }),
      };
    },
  };
}

/** Slashes of a name stay as they are: that is how these servers are asked. Half of a surrogate pair cannot be written. */
function pathOf(model: string): string {
  return model.toWellFormed().split('/').map(encodeURIComponent).join('/');
}
