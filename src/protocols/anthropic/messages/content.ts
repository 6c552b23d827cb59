import type { JsonObject } from '../../../chat/request.ts';
import { isObject } from '../../../framing/json.ts';
import type { DroppedFields } from '../../dropped-fields.ts';
import type { Content } from '../../part.ts';
import { readParts } from '../../parts.ts';
import type { ToolCallReader } from '../../tool-calls.ts';
import { dropUnknown } from './unknown-fields.ts';

/** The prefix of the names of dropped blocks, and of dropped fields in blocks. */
export const blockPrefix = 'messages.content.';

/** The fields of the blocks that are read. */
const knownFields: ReadonlyMap<unknown, readonly string[]> = new Map([
  ['text', ['type', 'text']],
  ['image', ['type', 'source']],
  ['document', ['type', 'source', 'title', 'context', 'citations']],
  ['search_result', ['type', 'source', 'title', 'content', 'citations']],
  ['thinking', ['type', 'thinking', 'signature']],
  ['tool_use', ['type', 'id', 'name', 'input', 'caller']],
]);

/**
 * Reads a content, and names the fields of its blocks that have no effect.
 *
 * @param calls absent for a content whose author does not call tools
 * @see https://platform.claude.com/docs/en/api/messages (content)
 */
export function readContent(value: unknown, path: string, dropped: DroppedFields, calls?: ToolCallReader): Content {
  for (const block of blocksIn(value)) {
    const known = knownFields.get(block['type']);
    if (known !== undefined) dropUnknown(dropped, blockPrefix, block, known);
    const { citations, source } = block;
    // In a text they are a list, and named as any other field.
    if (isObject(citations)) dropped.add(`${blockPrefix}citations`, citations['enabled']);
    if (isObject(source) && source['type'] === 'content') {
      for (const inner of blocksIn(source['content'])) dropUnknown(dropped, blockPrefix, inner, knownOf(inner));
    }
  }
  return readParts(value, path, { prefix: blockPrefix, dropped, calls });
}

function knownOf(block: JsonObject): readonly string[] {
  return knownFields.get(block['type']) ?? Object.keys(block);
}

/** The blocks of a content; none of a string. */
export function blocksIn(value: unknown): JsonObject[] {
  const items: readonly unknown[] = Array.isArray(value) ? value : [value];
  return items.filter(isObject);
}
