import { foldedName, isObject } from '../../framing/json.ts';

/**
 * Lists the models in a body. Ollama ignores the case of field names and uses the last one, so every spelling counts:
 * `{"model":"mine","MODEL":"theirs"}` has two.
 */
export function modelsNamed(body: unknown): string[] {
  if (!isObject(body)) return [];
  return Object.entries(body)
    .filter(([name]) => ['model', 'name'].includes(foldedName(name)))
    .flatMap(([, value]) => (typeof value === 'string' ? [value] : []));
}
