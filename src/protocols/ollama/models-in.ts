import { foldedName, isObject } from '../../framing/json.ts';

/**
 * Lists the models in a body. Ollama ignores the case of field names, so every spelling counts.
 *
 * @returns the names, `model` before its older spelling `name`, which Ollama reads only without `model`
 */
export function modelsIn(body: unknown): string[] {
  if (!isObject(body)) return [];
  const entries = Object.entries(body);
  return ['model', 'name'].flatMap((field) =>
    entries.flatMap(([name, value]) =>
      typeof value === 'string' && value !== '' && foldedName(name) === field ? [value] : [],
    ),
  );
}
