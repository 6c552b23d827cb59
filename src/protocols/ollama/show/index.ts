import type { ShowResponse } from 'ollama';
import type { ModelDetails, ModelInfo } from '../../../chat/backend.ts';
import type { ModelProtocol } from '../../../chat/protocol.ts';
import { required, string } from '../../fields.ts';
import { readFields } from '../body.ts';
import { unknownDetails } from '../details.ts';
import { ollamaErrors } from '../error.ts';

/** `POST /api/show`. @see https://docs.ollama.com/api-reference/show-model-details */
export const show: ModelProtocol = {
  method: 'POST',
  path: '/api/show',
  errors: ollamaErrors,
  named,
  one: toShown,
};

/** Older clients, and LiteLLM, say `name`. */
function named(body: unknown): string {
  const { model, name } = readFields(body);
  return required(string(model, 'model') || string(name, 'name') || undefined, 'model');
}

/** Ollama's own, but that the ollama package turns times into dates and objects into maps. */
type Shown = Omit<ShowResponse, 'license' | 'system' | 'messages' | 'modified_at' | 'model_info' | 'projector_info'> & {
  readonly modified_at: string;
  readonly model_info: Readonly<Record<string, string | number>>;
};

/** What most models behind such a server can do, where it does not tell: clients that find less ask for less. */
const assumed = ['completion', 'tools'];

function toShown({ modified, capabilities = assumed, contextLength }: ModelInfo & ModelDetails): Shown {
  return {
    // Not known; clients search it for their own lines.
    modelfile: '',
    parameters: '',
    // Not known; LiteLLM emulates tools with a prompt unless it finds the word in here.
    template: capabilities.includes('tools') ? '{{ .Tools }}' : '',
    details: unknownDetails,
    model_info: {
      // Clients look for the context's length under the name of the architecture.
      'general.architecture': 'unknown',
      ...(contextLength !== undefined && { 'unknown.context_length': contextLength }),
    },
    capabilities: [...capabilities],
    modified_at: new Date(modified * 1000).toISOString(),
  };
}
