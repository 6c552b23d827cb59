import type { ContentBlockParam } from '@anthropic-ai/sdk/resources/messages';
import { invalidValue } from '../../../errors.ts';
import type { DroppedFields } from '../../dropped-fields.ts';

/**
 * Blocks of a conversation that began at Anthropic. They are in a client's history, so they must not fail a request, but
 * no other model can use them.
 */
const droppedTypes: ReadonlySet<string> = new Set([
  'redacted_thinking',
  'server_tool_use',
  'web_search_tool_result',
  'web_fetch_tool_result',
  'code_execution_tool_result',
  'bash_code_execution_tool_result',
  'text_editor_code_execution_tool_result',
  'tool_search_tool_result',
  'container_upload',
] satisfies ContentBlockParam['type'][]);

/** More of them, which are not in the SDK's type `ContentBlockParam`. */
const otherDroppedTypes: ReadonlySet<string> = new Set([
  'tool_reference',
  'browser_state',
  'compaction',
  'mcp_tool_use',
  'mcp_tool_result',
]);

/** Drops a block of a type that has no effect. @throws {GatewayError} 400 for a block of any other type */
export function dropBlock(type: string, path: string, dropped: DroppedFields): void {
  if (!droppedTypes.has(type) && !otherDroppedTypes.has(type)) {
    throw invalidValue(`${path}.type`, `${path}.type is not supported here.`);
  }
  dropped.add(`messages.content.${type}`, true);
}
