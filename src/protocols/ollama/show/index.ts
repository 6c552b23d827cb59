import type { ShowResponse } from 'ollama';
import type { ModelDetails, ModelInfo } from '../../../chat/backend.ts';
import type { ModelProtocol } from '../../../chat/protocol.ts';
import { invalidValue } from '../../../errors.ts';
import { string } from '../../fields.ts';
import { readFoldedBody } from '../body.ts';
import { unknownDetails } from '../details.ts';
import { ollamaErrors } from '../error.ts';

/** `POST /api/show`. @see https://docs.ollama.com/api-reference/show-model-details */
export const show: ModelProtocol = {
  method: 'POST',
  path: '/api/show',
  errors: ollamaErrors,
  readName: readModelName,
  show: toModel,
};

/** Older clients, and LiteLLM, send the name as `name`. */
function readModelName(body: unknown): string {
  const { model, name } = readFoldedBody(body);
  const id = string(model, 'model') || string(name, 'name');
  if (id === undefined || id === '') throw invalidValue('model', 'model is required.');
  return id;
}

/** Ollama's own type, but the ollama package converts times to dates and objects to maps. */
type ShownModel = Omit<
  ShowResponse,
  'license' | 'system' | 'messages' | 'modified_at' | 'model_info' | 'projector_info'
> & {
  readonly modified_at: string;
  readonly model_info: Readonly<Record<string, string | number>>;
};

/** The capabilities of a model whose backend reports none. Most models have them, and clients use only those listed. */
const assumedCapabilities = ['completion', 'tools'];

function toModel({
  modified,
  capabilities = assumedCapabilities,
  contextLength,
}: ModelInfo & ModelDetails): ShownModel {
  return {
    // Unknown; clients search it for lines that concern them.
    modelfile: '',
    parameters: '',
    // Unknown; LiteLLM emulates tools with a prompt unless it finds this word here.
    template: capabilities.includes('tools') ? '{{ .Tools }}' : '',
    details: unknownDetails,
    model_info: {
      // Clients read the context's length from the field named after the architecture.
      'general.architecture': 'unknown',
      ...(contextLength !== undefined && { 'unknown.context_length': contextLength }),
    },
    capabilities: [...capabilities],
    modified_at: new Date(modified * 1000).toISOString(),
  };
}
