import { type HostedKind, type HostedTools, type SearchTool, hostedKinds } from '../chat/search.ts';
import type { JsonObject } from '../chat/request.ts';
import { isObject, textIn } from '../framing/json.ts';
import { array, defined, integer, oneOf, string } from './fields.ts';

/** The beginnings of the types of tools, by what they do. */
const patterns: Readonly<Record<HostedKind, RegExp>> = {
  'web search': /^(web_?search|google_?search|enterprise_?web_?search|(parallel|exa)_?ai_?search)/i,
  'fetching web pages': /^(web_?fetch|url_?context)/i,
  'code execution': /^code_?(execution|interpreter)/i,
  'file search': /^(file_?search|retrieval)/i,
  maps: /^google_?maps/i,
  'image generation': /^image_?generation/i,
  'computer use': /^computer/i,
  'MCP servers': /^mcp/i,
};

/** @returns what a tool of this type does; undefined for one that clients run, and for an unknown type */
export function hostedKind(type: string): HostedKind | undefined {
  return hostedKinds.find((kind) => patterns[kind].test(type));
}

/** Collects the tools of one request that the client does not run itself. */
export class HostedToolReader {
  readonly #canSearch: boolean;
  readonly #missing = new Set<HostedKind>();
  #search: SearchTool | undefined;
  #searchAt: string | undefined;

  /** @param canSearch true if this server searches the web */
  constructor(canSearch: boolean) {
    this.#canSearch = canSearch;
  }

  /**
   * Adds a tool.
   *
   * @param path of the tool in the request
   * @returns true if it is honoured; false if it is not available, or is no such tool, so that the caller names it
   * @throws {GatewayError} 400 with `param` for a search whose settings cannot be read
   */
  add(type: string, fields: JsonObject, path: string): boolean {
    const kind = hostedKind(type);
    if (kind === undefined) return false;
    if (kind === 'web search') {
      this.#searchAt ??= path;
      if (this.#canSearch) {
        this.#search ??= readSearchTool(fields, path);
        return true;
      }
    }
    this.#missing.add(kind);
    return false;
  }

  /** Adds a kind that is no tool but a field of its own. */
  miss(kind: HostedKind): void {
    this.#missing.add(kind);
  }

  /** Limits the searches for one answer. */
  limit(uses: number): void {
    if (this.#search === undefined) return;
    this.#search = { ...this.#search, maxUses: Math.min(uses, this.#search.maxUses ?? uses) };
  }

  /** True if the request asks for web search, whether or not it is available. */
  get asksForSearch(): boolean {
    return this.#searchAt !== undefined;
  }

  /** True if the request asks for web search, and it is available. */
  get searches(): boolean {
    return this.#search !== undefined;
  }

  /**
   * @param forced true if the model must search
   * @param others the number of other tools
   * @returns the fields of the call; empty if there are no such tools
   */
  result({ forced, others }: { readonly forced: boolean; readonly others: number }): { readonly hosted?: HostedTools } {
    if (this.#missing.size === 0 && this.#search === undefined) return {};
    const isPurpose = forced || (others === 0 && this.#missing.size + (this.#search === undefined ? 0 : 1) === 1);
    return {
      hosted: {
        missing: hostedKinds.filter((kind) => this.#missing.has(kind)),
        ...defined({
          search: this.#search,
          purpose: isPurpose ? this.#searchAt : undefined,
          mustSearch: forced && this.#search !== undefined ? true : undefined,
        }),
      },
    };
  }
}

/** Reads the settings of a web search in the form of each API. */
function readSearchTool(fields: JsonObject, path: string): SearchTool {
  const filters = isObject(fields['filters']) ? fields['filters'] : fields;
  const filtersPath = filters === fields ? path : `${path}.filters`;
  const domains = (name: string): readonly string[] | undefined => {
    const list = array(filters[name], `${filtersPath}.${name}`);
    const texts = list?.map((item, index) => string(item, `${filtersPath}.${name}[${index}]`) ?? '');
    return texts?.filter((text) => text !== '').slice(0, maxDomains);
  };
  return defined({
    maxUses: integer(fields['max_uses'], `${path}.max_uses`, 1),
    allowedDomains: domains('allowed_domains'),
    // The other is Google's name.
    blockedDomains: domains('blocked_domains') ?? domains('excludeDomains'),
    location: readLocation(fields['user_location']),
    size: oneOf(fields['search_context_size'], `${path}.search_context_size`, ['low', 'medium', 'high']),
  });
}

const maxDomains = 100;

/** OpenAI's chat completions have the place in an object of its own. */
function readLocation(value: unknown): string | undefined {
  if (!isObject(value)) return undefined;
  const place = isObject(value['approximate']) ? value['approximate'] : value;
  const parts = ['city', 'region', 'country']
    .map((name) => textIn(place[name]).slice(0, 100))
    .filter((part) => part !== '');
  return parts.length === 0 ? undefined : parts.join(', ');
}

/** The function by which models search. Histories name it too. */
export const searchFunction = 'web_search';
