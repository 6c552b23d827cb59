import type { Model } from 'openai/resources/models';
import type { ModelDetails, ModelInfo } from '../../../chat/backend.ts';

/** OpenAI's fields, and two of our own: the context in tokens, and the model's capabilities. */
type DescribedModel = Model & { context_length?: number; capabilities?: readonly string[] };

/** @see https://platform.openai.com/docs/api-reference/models/object */
export function toModel({ name, modified, capabilities, contextLength }: ModelInfo & ModelDetails): DescribedModel {
  return {
    id: name,
    object: 'model',
    created: modified,
    owned_by: ownerOf(name),
    ...(contextLength !== undefined && { context_length: contextLength }),
    ...(capabilities !== undefined && { capabilities }),
  };
}

/** `hf.co/someone/model:Q4` is owned by someone, a name without a path by Ollama's library. */
function ownerOf(name: string): string {
  return name.split('/').at(-2) ?? 'library';
}
