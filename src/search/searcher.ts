import type { SearchOutcome, SearchResult, SearchTool } from '../chat/search.ts';
import { GatewayError } from '../errors.ts';
import { Semaphore } from '../semaphore.ts';
import { callEndpoint } from './endpoint.ts';
import { isFromDomain } from './domains.ts';
import { searchApis } from './servers.ts';

export interface SearchOptions {
  readonly url: string;
  readonly kind: keyof typeof searchApis;
  /** Sent as a bearer token. */
  readonly key?: string;
  /** Results of one search. */
  readonly results: number;
  /** Milliseconds for one search, without the wait for a free place. */
  readonly timeout: number;
  /** Searches for one answer. */
  readonly uses: number;
}

/** The outcome of a search, for the metric. */
export type SearchEnding =
  | 'found'
  | 'empty'
  | 'unavailable'
  | 'timeout'
  | 'max_uses_exceeded'
  | 'query_too_long'
  | 'invalid_tool_input'
  | 'too_many_requests'
  | 'cancelled';

export const searchEndings = [
  'found',
  'empty',
  'unavailable',
  'timeout',
  'max_uses_exceeded',
  'query_too_long',
  'invalid_tool_input',
  'too_many_requests',
  'cancelled',
] as const satisfies SearchEnding[];

/** Searches that run at the same time, and that wait. */
const maxConcurrent = 8;
const maxWaiting = 64;
/** Characters of a query. */
const maxQuery = 400;
/** Results of one search, whatever a request asks for. */
const mostResults = 20;
/** Domains that a query names; of more, the results are only filtered. */
const maxNamedDomains = 6;

/** Searches the web on the server that the operator configured. */
export class Searcher {
  /** Searches for one answer. */
  readonly uses: number;
  readonly #options: SearchOptions;
  readonly #onEnded: (ending: SearchEnding) => void;
  readonly #slots = new Semaphore(maxConcurrent, maxWaiting, 'Too many web searches are running.');

  /** @param onEnded called once for each search */
  constructor(options: SearchOptions, onEnded: (ending: SearchEnding) => void) {
    this.#options = options;
    this.#onEnded = onEnded;
    this.uses = options.uses;
  }

  /**
   * Searches. A search that fails is an outcome too, which says nothing about the server.
   *
   * @param query undefined for a call without a text
   * @param mayRun false if the answer has used up its searches
   * @param owner whose request it is: owners take turns
   * @throws the signal's reason when it aborts
   */
  async search(
    query: string | undefined,
    tool: SearchTool,
    {
      mayRun,
      owner,
      signal,
    }: { readonly mayRun: boolean; readonly owner?: string | undefined; readonly signal: AbortSignal },
  ): Promise<SearchOutcome> {
    if (!mayRun) return this.#fault('max_uses_exceeded');
    if (query === undefined) return this.#fault('invalid_tool_input');
    if (query.length > maxQuery) return this.#fault('query_too_long');
    try {
      return await this.#slots.run(signal, owner, async () => await this.#run(query, tool, signal));
    } catch (error) {
      if (signal.aborted) {
        this.#onEnded('cancelled');
        throw signal.reason;
      }
      if (error instanceof GatewayError && error.code === 'server_overloaded') return this.#fault('too_many_requests');
      return this.#fault('unavailable', error instanceof TimeoutError ? 'timeout' : 'unavailable');
    }
  }

  async #run(query: string, tool: SearchTool, signal: AbortSignal): Promise<SearchOutcome> {
    const { key, kind, timeout, url: base } = this.#options;
    const api = searchApis[kind];
    const count = this.#resultsOf(tool);
    const { url, request } = api.request(api.endpoint(new URL(base)), withDomains(query, tool), count);
    const headers = { ...request.headers, ...(key !== undefined && { authorization: `Bearer ${key}` }) };
    const controller = new AbortController();
    const onAbort = (): void => controller.abort(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    const timer = setTimeout(() => controller.abort(new TimeoutError()), timeout);
    try {
      const body = await callEndpoint(url, { ...request, headers }, controller.signal);
      const found = api.read(JSON.parse(body.toString('utf8')));
      if (found === undefined) throw new SyntaxError('The answer has no results.');
      const results = found.filter((result) => isAllowed(result, tool)).slice(0, count);
      this.#onEnded(results.length > 0 ? 'found' : 'empty');
      return { results };
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
    }
  }

  /** Half of the configured results for `low`, twice as many for `high`. */
  #resultsOf({ size = 'medium' }: SearchTool): number {
    const factor = { low: 0.5, medium: 1, high: 2 }[size];
    return Math.min(mostResults, Math.max(1, Math.ceil(this.#options.results * factor)));
  }

  #fault(
    fault: Exclude<SearchEnding, 'found' | 'empty' | 'cancelled' | 'timeout'>,
    ending: SearchEnding = fault,
  ): SearchOutcome {
    this.#onEnded(ending);
    return { fault };
  }
}

class TimeoutError extends Error {}

/** Search engines find pages of a domain by `site:`. What they find besides is left out afterwards. */
function withDomains(query: string, { allowedDomains = [] }: SearchTool): string {
  if (allowedDomains.length === 0 || allowedDomains.length > maxNamedDomains) return query;
  return `${query} ${allowedDomains.map((domain) => `site:${domain}`).join(' OR ')}`;
}

function isAllowed({ url }: SearchResult, { allowedDomains = [], blockedDomains = [] }: SearchTool): boolean {
  const from = (domain: string): boolean => isFromDomain(url, domain);
  return (allowedDomains.length === 0 || allowedDomains.some(from)) && !blockedDomains.some(from);
}
