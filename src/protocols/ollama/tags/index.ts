import { createHash } from 'node:crypto';
import type { ModelResponse } from 'ollama';
import type { ModelInfo } from '../../../chat/backend.ts';
import type { ModelListProtocol } from '../../../chat/protocol.ts';
import { unknownDetails } from '../details.ts';
import { ollamaErrors } from '../error.ts';

/** `GET /api/tags`. @see https://docs.ollama.com/api/tags */
export const tags: ModelListProtocol = {
  path: '/api/tags',
  errors: ollamaErrors,
  list: (models) => ({ models: models.map(toListedModel) }),
};

/** Ollama's own type, but the ollama package converts times to dates and declares two fields that only /api/ps has. */
type ListedModel = Omit<ModelResponse, 'modified_at' | 'expires_at' | 'size_vram'> & { readonly modified_at: string };

function toListedModel({ name, modified }: ModelInfo): ListedModel {
  return {
    name,
    model: name,
    modified_at: new Date(modified * 1000).toISOString(),
    // Unknown, but clients add sizes up.
    size: 0,
    // Unknown, but clients distinguish models by it, and the ollama CLI takes its first 12 characters unchecked.
    digest: createHash('sha256').update(name).digest('hex'),
    details: unknownDetails,
  };
}
