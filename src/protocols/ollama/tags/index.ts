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
  list: (models) => ({ models: models.map(toListed) }),
};

/** Ollama's own, but that the ollama package turns times into dates and declares two fields that only /api/ps has. */
type Listed = Omit<ModelResponse, 'modified_at' | 'expires_at' | 'size_vram'> & { readonly modified_at: string };

function toListed({ name, modified }: ModelInfo): Listed {
  return {
    name,
    model: name,
    modified_at: new Date(modified * 1000).toISOString(),
    // Not known; clients add sizes up.
    size: 0,
    // Not known; clients tell models apart by it, and the ollama CLI cuts 12 characters off it without asking.
    digest: createHash('sha256').update(name).digest('hex'),
    details: unknownDetails,
  };
}
