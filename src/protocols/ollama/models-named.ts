import { foldedName, isObject } from '../../framing/json.ts';

/**
 * The models a native body names. Ollama matches field names without regard to case and lets the last one win, so
 * every spelling counts: `{"model":"mine","MODEL":"theirs"}` names two.
 */
export function modelsNamed(body: unknown): string[] {
  if (!isObject(body)) return [];
  return Object.entries(body)
    .filter(([name]) => ['model', 'name'].includes(foldedName(name)))
    .flatMap(([, value]) => (typeof value === 'string' ? [value] : []));
}
