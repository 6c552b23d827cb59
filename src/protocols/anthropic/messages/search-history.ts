import type { Message, ToolMessage } from '../../../chat/request.ts';
import { searchText } from '../../../chat/search.ts';
import { isObject, textIn } from '../../../framing/json.ts';
import { searchFunction } from '../../hosted-tools.ts';
import type { Content } from '../../part.ts';
import { messageOf } from '../../roles.ts';
import { readSearchResult } from './search-blocks.ts';

/** True for a content of the assistant with a web search that can be read. */
export function hasSearches(content: unknown): content is readonly unknown[] {
  return Array.isArray(content) && content.some((block) => searchQuery(block) !== undefined);
}

/** @returns the query of a block that calls a web search; undefined for any other block */
function searchQuery(block: unknown): string | undefined {
  if (!isObject(block) || block['type'] !== 'server_tool_use' || block['name'] !== searchFunction) return undefined;
  const { input } = block;
  return isObject(input) ? textIn(input['query']) || undefined : undefined;
}

/**
 * Reads a content of the assistant with web searches. Each becomes a call and its result, as if the client had searched, so it
 * becomes several messages: one ends before the results, and the next goes on after them.
 *
 * @param readContent reads blocks; those of other messages are null in it, so that these keep their paths
 */
export function readSearches(
  blocks: readonly unknown[],
  readContent: (blocks: readonly unknown[]) => Content,
): Message[] {
  const messages: Message[] = [];
  const waiting = new Set<string>();
  // Blocks of other messages leave a gap, so that these keep their paths.
  let current: unknown[] = [];
  const flush = (index: number): void => {
    if (current.some((block) => block != null)) messages.push(messageOf('assistant', readContent(current)));
    current = Array.from({ length: index }, () => null);
  };
  for (const [index, block] of blocks.entries()) {
    const query = searchQuery(block);
    const result = resultOf(block, waiting);
    if (query !== undefined) {
      const id = textIn((block as { id?: unknown }).id);
      waiting.add(id);
      current.push({ type: 'tool_use', id, name: searchFunction, input: { query } });
    } else if (result === undefined) {
      current.push(block);
    } else {
      flush(index + 1);
      waiting.delete(result.callId);
      messages.push(result);
    }
  }
  flush(0);
  // A call without a result would be answered by nothing.
  for (const callId of waiting) messages.push(searchMessage(callId, 'The search has no result.'));
  return messages;
}

function resultOf(block: unknown, waiting: ReadonlySet<string>): ToolMessage | undefined {
  if (!isObject(block) || block['type'] !== 'web_search_tool_result') return undefined;
  const callId = textIn(block['tool_use_id']);
  if (!waiting.has(callId)) return undefined;
  const outcome = readSearchResult(block['content']) ?? { results: [] };
  return searchMessage(callId, searchText({ outcome }));
}

function searchMessage(callId: string, text: string): ToolMessage {
  return { role: 'tool', text, callId, name: searchFunction };
}
