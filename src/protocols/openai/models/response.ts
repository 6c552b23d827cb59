import type { Model } from 'openai/resources/models';
import type { ModelInfo } from '../../../chat/contract.ts';

/** @see https://platform.openai.com/docs/api-reference/models/object */
export function toModel({ name, modified }: ModelInfo): Model {
  return { id: name, object: 'model', created: modified, owned_by: ownerOf(name) };
}

/** `hf.co/someone/model:Q4` belongs to someone, a name without a path to Ollama's library. */
function ownerOf(name: string): string {
  return name.split('/').at(-2) ?? 'library';
}
