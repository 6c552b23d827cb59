import type { JsonObject } from '../../../chat/request.ts';
import { isObject } from '../../../framing/json.ts';

/**
 * Collects what the messages of a request change about its tools: tools that a search found (`tool_reference`), and tools that
 * the client adds or removes during the conversation (`tool_addition`, `tool_removal`).
 *
 * @see https://platform.claude.com/docs/en/agents-and-tools/tool-use/tool-search-tool
 */
export class ToolChanges {
  /** Names of deferred tools that were loaded, in the order in which they were. */
  readonly loaded = new Set<string>();
  /** Definitions that only a message contains, by name. */
  readonly defined = new Map<string, JsonObject>();
  readonly removed = new Set<string>();

  /** @param messages a list that may hold anything: clients cannot change what is in their history */
  constructor(messages: unknown) {
    for (const message of objectsIn(messages)) {
      for (const block of objectsIn(message['content'])) this.#read(block);
    }
  }

  #read(block: JsonObject): void {
    const { content, tool } = block;
    switch (block['type']) {
      case 'tool_result':
        for (const part of objectsIn(content)) if (part['type'] === 'tool_reference') this.#load(part['tool_name']);
        break;
      case 'tool_search_tool_result':
        if (!isObject(content)) break;
        for (const reference of objectsIn(content['tool_references'])) this.#load(reference['tool_name']);
        break;
      case 'tool_use':
        // Its reference may be in messages that were compacted.
        this.#load(block['name']);
        break;
      case 'tool_addition':
        if (isObject(tool)) this.#add(tool);
        break;
      case 'tool_removal':
        if (isObject(tool)) this.#remove(tool['name']);
        break;
      case 'compaction':
        for (const change of objectsIn(block['tool_changes'])) this.#read(change);
        break;
      default:
    }
  }

  #load(name: unknown): void {
    if (typeof name === 'string' && !this.removed.has(name)) this.loaded.add(name);
  }

  #add({ type, name, definition }: JsonObject): void {
    const added = type === 'tool_definition' && isObject(definition) ? definition['name'] : name;
    if (typeof added !== 'string' || isOfServer(type)) return;
    this.removed.delete(added);
    this.loaded.add(added);
    if (type === 'tool_definition' && isObject(definition)) this.defined.set(added, definition);
  }

  #remove(name: unknown): void {
    if (typeof name !== 'string') return;
    this.loaded.delete(name);
    this.removed.add(name);
  }
}

/** True for a tool of an MCP server, which Anthropic would call. */
function isOfServer(type: unknown): boolean {
  return typeof type === 'string' && type.startsWith('mcp_');
}

function objectsIn(value: unknown): JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}
