import type { SearchResult } from '../chat/search.ts';
import { isObject, textIn } from '../framing/json.ts';
import { oneLine } from '../framing/one-line.ts';
import type { OutboundRequest } from '../images/get.ts';

/** The API of one kind of search server. */
export interface SearchApi {
  /** @param base the configured address @returns the address of its search */
  endpoint(base: URL): URL;
  /** @returns the address and the request of one search. @param count the number of results to ask for */
  request(endpoint: URL, query: string, count: number): { readonly url: URL; readonly request: OutboundRequest };
  /** Reads the JSON of an answer. @returns undefined for an answer of another form */
  read(body: unknown): SearchResult[] | undefined;
}

/** @see https://docs.searxng.org/dev/search_api.html */
const searxng: SearchApi = {
  endpoint: (base) => withPath(base, /\/search\/?$/, 'search'),
  request(endpoint, query) {
    const url = new URL(endpoint);
    url.searchParams.set('q', query);
    url.searchParams.set('format', 'json');
    return { url, request: { method: 'GET', headers: { accept: 'application/json' } } };
  },
  read: (body) => readResults(body, ({ content, publishedDate }) => ({ text: content, published: publishedDate })),
};

/** Results of one search that Ollama takes at most. */
const maxOfOllama = 10;

/**
 * Ollama's own server passes a search on to ollama.com, and needs an account there.
 *
 * @see https://docs.ollama.com/capabilities/web-search
 */
const ollama: SearchApi = {
  endpoint: (base) =>
    withPath(
      base,
      /\/web_search\/?$/,
      base.hostname === 'ollama.com' ? 'api/web_search' : 'api/experimental/web_search',
    ),
  request: (url, query, count) => ({
    url,
    request: {
      method: 'POST',
      headers: { accept: 'application/json', 'content-type': 'application/json' },
      body: JSON.stringify({ query, max_results: Math.min(count, maxOfOllama) }),
    },
  }),
  read: (body) => readResults(body, ({ content }) => ({ text: content })),
};

/** The kinds of search servers. */
export const searchApis = { searxng, ollama } as const satisfies Record<string, SearchApi>;

/** An address that is the whole address of the search already stays. */
function withPath(base: URL, complete: RegExp, path: string): URL {
  const url = new URL(base);
  if (!complete.test(url.pathname)) url.pathname = `${url.pathname.replace(/\/+$/, '')}/${path}`;
  return url;
}

/** Characters of the fields of a result. */
const limits = { title: 300, url: 2_000, text: 2_000, published: 40 };

function readResults(
  body: unknown,
  rest: (fields: Readonly<Record<string, unknown>>) => { readonly text: unknown; readonly published?: unknown },
): SearchResult[] | undefined {
  if (!isObject(body) || !Array.isArray(body['results'])) return undefined;
  return body['results'].filter(isObject).flatMap((fields) => {
    const url = webAddress(textIn(fields['url']));
    if (url === undefined) return [];
    const { text, published } = rest(fields);
    const date = clean(published, limits.published);
    return [
      {
        title: clean(fields['title'], limits.title) || url,
        url,
        text: clean(text, limits.text),
        ...(date !== '' && { published: date }),
      },
    ];
  });
}

/**
 * @returns an address as the search server wrote it, unless a parser would leave out some of it, such as line breaks; undefined for
 *   one that is too long, or not of the web
 */
function webAddress(given: string): string | undefined {
  const parsed = given.length > limits.url ? null : URL.parse(given);
  if (parsed === null || !/^https?:$/.test(parsed.protocol)) return undefined;
  const url = oneLine(given, limits.url) === given && !given.includes(' ') ? given : parsed.href;
  return url.length > limits.url ? undefined : url;
}

/** Pages hold long runs of white space, which cost tokens. */
function clean(value: unknown, max: number): string {
  return oneLine(textIn(value), max);
}
