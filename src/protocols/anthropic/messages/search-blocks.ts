import type { ServerToolUseBlock, WebSearchToolResultBlock } from '@anthropic-ai/sdk/resources/messages';
import type { Search, SearchOutcome, SearchResult } from '../../../chat/search.ts';
import { isObject, textIn } from '../../../framing/json.ts';
import { searchFunction } from '../../hosted-tools.ts';

const direct = { type: 'direct' } as const;

/** Text that was read here is plain text after this. Anthropic's own is encrypted. */
const mark = 'llamaduct-page:';

/** Anthropic's ids of such calls all begin with it. */
function serverId(id: string): string {
  return `srvtoolu_${id}`;
}

/**
 * @returns the block of a search that the model called
 * @see https://platform.claude.com/docs/en/agents-and-tools/tool-use/web-search-tool
 */
export function toSearchUse(id: string, query: string): ServerToolUseBlock {
  return { type: 'server_tool_use', id: serverId(id), name: searchFunction, input: { query }, caller: direct };
}

/** @returns the block with the results of a search, or with the error */
export function toSearchResult({ id, outcome }: Search): WebSearchToolResultBlock {
  const block = { type: 'web_search_tool_result', tool_use_id: serverId(id), caller: direct } as const;
  if ('fault' in outcome) {
    return { ...block, content: { type: 'web_search_tool_result_error', error_code: outcome.fault } };
  }
  const content = outcome.results.map(({ title, url, text, published = null }) => {
    return { type: 'web_search_result' as const, title, url, encrypted_content: mark + text, page_age: published };
  });
  return { ...block, content };
}

/** Reads the content of a result block in a history, whatever it is: a client cannot change it. */
export function readSearchResult(content: unknown): SearchOutcome | undefined {
  if (isObject(content)) return { fault: 'unavailable' };
  if (!Array.isArray(content) || content.length === 0) return undefined;
  return { results: content.filter(isObject).map(readResult) };
}

function readResult(fields: Readonly<Record<string, unknown>>): SearchResult {
  const page = textIn(fields['encrypted_content']);
  const published = textIn(fields['page_age']);
  return {
    title: textIn(fields['title']),
    url: textIn(fields['url']),
    text: page.startsWith(mark) ? page.slice(mark.length) : '',
    ...(published !== '' && { published }),
  };
}
