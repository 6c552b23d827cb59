import type { FileConfig, WebSearchConfig } from './schema.ts';
import { type ReadVariable, apiKeyFrom } from './upstreams.ts';

/**
 * Completes `web_search` with its API key.
 *
 * @returns a part of the configuration; empty if there is no such setting
 * @throws {ConfigError} when the variable that it names is missing or invalid
 */
export function withSearchKey(
  search: FileConfig['web_search'],
  readVariable: ReadVariable,
): { readonly web_search?: WebSearchConfig } {
  if (search === undefined) return {};
  const { key_env: variable } = search;
  if (variable === undefined) return { web_search: search };
  return { web_search: { ...search, key: apiKeyFrom(variable, 'web_search', readVariable) } };
}
