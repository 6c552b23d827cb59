import type { Tool } from '../chat/request.ts';

/** Characters of a name. OpenAI allows 64; namespaces of MCP servers make longer ones. */
export const maxNameLength = 256;

/** Prefixes that models put before a name, or leave out: OpenAI's namespaces, and those of MCP servers. */
const prefixes = /^(?:(?:functions?|tools?|default_api)[.:]|mcp__.+?__)/i;

/** Finds the tool that a model means when it writes a name that no tool has exactly. */
export class ToolNames {
  readonly tools: readonly Tool[];
  readonly #exact: ReadonlyMap<string, Tool>;
  readonly #folded: ReadonlyMap<string, Tool | undefined>;
  readonly #bare: ReadonlyMap<string, Tool | undefined>;

  constructor(tools: readonly Tool[]) {
    this.tools = tools;
    this.#exact = new Map(tools.map((tool) => [tool.name, tool]));
    this.#folded = unambiguous(tools, fold);
    this.#bare = unambiguous(tools, (name) => fold(withoutPrefix(name)));
  }

  /**
   * @returns the tool of that name, or else the only one whose name differs in case, separators or a prefix; undefined if none
   *   or several do
   */
  find(name: string): Tool | undefined {
    const exact = this.#exact.get(name);
    if (exact !== undefined || name.length > maxNameLength) return exact;
    return this.#folded.get(fold(name)) ?? this.#bare.get(fold(withoutPrefix(name)));
  }
}

/** @returns the tools by the form of their names, undefined for a form that several have */
function unambiguous(tools: readonly Tool[], form: (name: string) => string): Map<string, Tool | undefined> {
  const byForm = new Map<string, Tool | undefined>();
  for (const tool of tools) {
    const key = form(tool.name);
    byForm.set(key, byForm.has(key) ? undefined : tool);
  }
  return byForm;
}

function fold(name: string): string {
  return name
    .trim()
    .toLowerCase()
    .replaceAll(/[-_. ]/g, '');
}

function withoutPrefix(name: string): string {
  return name.trim().replace(prefixes, '');
}
