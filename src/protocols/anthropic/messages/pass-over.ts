import type { ContentBlockParam } from '@anthropic-ai/sdk/resources/messages';
import { invalidValue } from '../../../errors.ts';
import type { DroppedFields } from '../../dropped-fields.ts';

/** Blocks of a conversation that began at Anthropic: nothing in them is for another model, or only its id is sent. */
const foreign: ReadonlySet<string> = new Set([
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

/** The same, where the SDK declares them elsewhere. */
const foreignBesides: ReadonlySet<string> = new Set([
  'tool_reference',
  'browser_state',
  'compaction',
  'mcp_tool_use',
  'mcp_tool_result',
]);

/** Notes a block that changes nothing here. @throws {GatewayError} 400 for one that does not belong where it stands */
export function passOver(type: string, path: string, ledger: DroppedFields): void {
  if (!foreign.has(type) && !foreignBesides.has(type)) {
    throw invalidValue(`${path}.type`, `${path}.type is not supported here.`);
  }
  ledger.note(`messages.content.${type}`, true);
}
