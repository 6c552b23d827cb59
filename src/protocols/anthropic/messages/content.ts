import type { DroppedFields } from '../../dropped-fields.ts';
import type { Content } from '../../part.ts';
import { readParts } from '../../parts.ts';
import type { ToolCallReader } from '../../tool-calls.ts';

/**
 * Reads a content.
 *
 * @param calls absent for a content whose author does not call tools
 * @see https://platform.claude.com/docs/en/api/messages (content)
 */
export function readContent(value: unknown, path: string, dropped: DroppedFields, calls?: ToolCallReader): Content {
  return readParts(value, path, { prefix: 'messages.content.', dropped, calls });
}
