// Web search that llamaduct runs for a model, independent of the client's dialect and of the search server.

/** Kinds of tools that a client wants its server to run, in words for the model and the user. */
export const hostedKinds = [
  'web search',
  'fetching web pages',
  'code execution',
  'file search',
  'maps',
  'image generation',
  'computer use',
  'MCP servers',
] as const;

export type HostedKind = (typeof hostedKinds)[number];

/** The tools of one request that the client does not run itself. */
export interface HostedTools {
  /** Those that this server does not have. */
  readonly missing: readonly HostedKind[];
  /** Present if the request asks for web search, and this server searches. */
  readonly search?: SearchTool;
  /** The field that makes a search the purpose of the request: there is no other tool, or the model must search. */
  readonly purpose?: string;
  /** True if the model must search first. */
  readonly mustSearch?: boolean;
}

/** A client's settings for web search. */
export interface SearchTool {
  /** Searches for one answer. */
  readonly maxUses?: number;
  /** Domains, some with a path, from which results may be. */
  readonly allowedDomains?: readonly string[];
  readonly blockedDomains?: readonly string[];
  /** The place of the user, such as `Berlin, Germany`. */
  readonly location?: string;
  /** The share of the context that results may take. */
  readonly size?: 'low' | 'medium' | 'high';
}

export interface SearchResult {
  readonly title: string;
  readonly url: string;
  /** An excerpt of the page, or all of its text. */
  readonly text: string;
  /** The date of the page, as the search server wrote it. */
  readonly published?: string;
}

/** Anthropic's codes for a search without results. */
export type SearchFault =
  | 'unavailable'
  | 'max_uses_exceeded'
  | 'query_too_long'
  | 'invalid_tool_input'
  | 'too_many_requests';

export type SearchOutcome = { readonly results: readonly SearchResult[] } | { readonly fault: SearchFault };

/** A search that has ended. */
export interface Search {
  /** The id of the model's call. */
  readonly id: string;
  readonly query: string;
  readonly outcome: SearchOutcome;
}

/** A place in a text that names the address of a result. */
export interface Citation {
  readonly title: string;
  readonly url: string;
  /** Index of the first character, and of the one after the last. */
  readonly start: number;
  readonly end: number;
}

/** One part of a search, for encoders. */
export type SearchEvent =
  | { readonly type: 'begun'; readonly id: string; readonly query: string }
  | { readonly type: 'ended'; readonly search: Search }
  /** Comes before the `finish` of an answer whose text names addresses of results. */
  | { readonly type: 'cited'; readonly citations: readonly Citation[] };

/** A part of an answer that ended in searches, before the model went on. */
export interface SearchTurn {
  readonly text: string;
  readonly reasoning: string;
  readonly searches: readonly Search[];
}

/** @returns the results of all searches of an answer */
export function resultsOf(turns: readonly SearchTurn[]): SearchResult[] {
  return turns.flatMap(({ searches }) =>
    searches.flatMap(({ outcome }) => ('results' in outcome ? outcome.results : [])),
  );
}

/** Between the texts of two turns, in dialects whose answer is one text. */
export const turnBreak = '\n\n';

/** The text of the results for the model. */
export function searchText({ outcome }: Pick<Search, 'outcome'>): string {
  if ('fault' in outcome) return faultTexts[outcome.fault];
  return resultsText(outcome.results);
}

/** @returns results as a numbered list, for the model */
export function resultsText(results: readonly SearchResult[]): string {
  if (results.length === 0) return 'The search found nothing.';
  return results
    .map(({ title, url, text, published }, index) =>
      [`${index + 1}. ${title}`, url, published, text].filter((line) => line !== undefined && line !== '').join('\n'),
    )
    .join('\n\n');
}

const honest = 'Tell the user so instead of making up results.';

const faultTexts: Readonly<Record<SearchFault, string>> = {
  unavailable: `The search failed: the search service is not available. ${honest}`,
  max_uses_exceeded: `The search was not run: this answer may not search any more. ${honest}`,
  query_too_long: 'The search was not run: the query is too long.',
  invalid_tool_input: 'The search was not run: it needs a text as its query.',
  too_many_requests: `The search failed: too many searches at the moment. ${honest}`,
};

/** Characters that may follow an address in a text. A dot or comma may, if no address goes on after it. */
const afterAddress = /^(?:[.,;:!?]*(?:[\s)\]}>"'`*|]|$))/;

/** @returns the first place of each result's address in a text, in the order of the text */
export function citationsIn(text: string, results: readonly SearchResult[]): Citation[] {
  const citations = new Map<string, Citation>();
  for (const { title, url } of results) {
    if (citations.has(url)) continue;
    for (let start = text.indexOf(url); start !== -1; start = text.indexOf(url, start + 1)) {
      const end = start + url.length;
      if (!afterAddress.test(text.slice(end, end + 8))) continue;
      citations.set(url, { title, url, start, end });
      break;
    }
  }
  return [...citations.values()].toSorted((a, b) => a.start - b.start);
}
