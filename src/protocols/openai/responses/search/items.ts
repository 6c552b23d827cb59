import type { ResponseFunctionWebSearch } from 'openai/resources/responses/responses';
import type { Search, SearchResult } from '../../../../chat/search.ts';
import { isObject, textIn } from '../../../../framing/json.ts';
import type { JsonObject } from '../../../../chat/request.ts';

type Status = ResponseFunctionWebSearch['status'];

/** A web search in a history. Items without a query say nothing, and are dropped. */
export interface SearchItem {
  readonly type: 'web_search_call';
  readonly id?: string;
  readonly status: Status;
  readonly action: {
    readonly type: 'search';
    readonly query: string;
    readonly sources?: readonly { type: 'url'; url: string }[];
  };
}

/**
 * @param results absent while the search runs, and if it failed
 * @returns the item of a web search
 * @see https://platform.openai.com/docs/guides/tools-web-search
 */
export function searchItem(
  id: string,
  status: Status,
  query: string,
  results: readonly SearchResult[] = [],
): ResponseFunctionWebSearch & { id: string } {
  const sources = results.map(({ url }) => ({ type: 'url' as const, url }));
  return { type: 'web_search_call', id, status, action: { type: 'search', query, queries: [query], sources } };
}

/** @returns the item of a search that has ended */
export function endedSearchItem(id: string, { query, outcome }: Search): ReturnType<typeof searchItem> {
  return 'results' in outcome ? searchItem(id, 'completed', query, outcome.results) : searchItem(id, 'failed', query);
}

/** Reads an item of a history. @returns undefined for a search without a query, and for another action */
export function readSearchItem({ action, status }: JsonObject): SearchItem | undefined {
  if (!isObject(action) || (action['type'] ?? 'search') !== 'search') return undefined;
  const { queries, sources } = action;
  const query = textIn(action['query']) || textIn(Array.isArray(queries) ? queries[0] : '');
  if (query === '') return undefined;
  const urls = (Array.isArray(sources) ? sources : [])
    .map((source) => (isObject(source) ? textIn(source['url']) : ''))
    .filter((url) => url !== '');
  return {
    type: 'web_search_call',
    status: status === 'failed' ? 'failed' : 'completed',
    action: { type: 'search', query, ...(urls.length > 0 && { sources: urls.map((url) => ({ type: 'url', url })) }) },
  };
}

/** @returns the result of an earlier search for the model. OpenAI's format keeps only the addresses of what was found. */
export function searchItemText({ status, action: { sources = [] } }: SearchItem): string {
  if (status === 'failed') return 'The search failed.';
  const note = 'The excerpts of this earlier search are not kept.';
  return sources.length === 0 ? note : `Found:\n${sources.map(({ url }) => url).join('\n')}\n${note}`;
}
