import type { ModelDetails, ModelInfo } from '../../../chat/backend.ts';
import type { ModelListProtocol, ModelProtocol, ResourceProtocol } from '../../../chat/protocol.ts';
import { GatewayError } from '../../../errors.ts';
import { googleErrors } from '../error.ts';
import { methods } from '../target.ts';

/** `GET /v1beta/models`, all on one page. @see https://ai.google.dev/api/models#method:-models.list */
export const geminiModelList: ModelListProtocol = {
  path: '/v1beta/models',
  errors: googleErrors,
  list: (models) => ({ models: models.map(toModel) }),
};

/** `GET /v1beta/models/{id}`. @see https://ai.google.dev/api/models#method:-models.get */
export const geminiModel: ModelProtocol = {
  method: 'GET',
  path: '/v1beta/models/:id{.+}',
  errors: googleErrors,
  show: toModel,
};

/** Answers every POST to a model whose method has no route of its own. */
export const unknownMethod: ResourceProtocol = {
  method: 'POST',
  path: geminiModel.path,
  errors: googleErrors,
  answer: () => {
    throw new GatewayError('not_found', `There is no such method here. Models have ${[...methods].join(', ')}.`);
  },
};

function toModel({ name, capabilities, contextLength }: ModelInfo & ModelDetails): object {
  const embedsOnly = capabilities?.includes('embedding') === true && !capabilities.includes('completion');
  return {
    name: `models/${name}`,
    version: name.slice(name.lastIndexOf(':') + 1),
    displayName: name,
    ...(contextLength !== undefined && { inputTokenLimit: contextLength, outputTokenLimit: contextLength }),
    supportedGenerationMethods: embedsOnly
      ? ['embedContent', 'batchEmbedContents']
      : ['generateContent', 'countTokens'],
    ...(capabilities && { thinking: capabilities.includes('thinking') }),
  };
}
