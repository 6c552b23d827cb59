import type {
  ResponseApplyPatchToolCall,
  ResponseComputerToolCall,
  ResponseCustomToolCall,
  ResponseFunctionShellToolCall,
  ResponseFunctionToolCall,
  ResponseOutputItem,
  ResponseToolSearchCall,
} from 'openai/resources/responses/responses';
import type { ToolCallEvent } from '../../../../chat/event.ts';
import type { JsonObject } from '../../../../chat/request.ts';
import { isObject, parseExact, textIn } from '../../../../framing/json.ts';
import { toInput } from '../../custom-tools.ts';
import { computerFields } from './computer.ts';
import type { OfferedTool } from './offered-tools.ts';

/** The item of a call. Its own id and the call's id differ. */
export type CallItem = (
  | ResponseFunctionToolCall
  | (ResponseCustomToolCall & { status: Status })
  | ResponseToolSearchCall
  | ResponseComputerToolCall
  | ResponseOutputItem.LocalShellCall
  | ResponseFunctionShellToolCall
  | ResponseApplyPatchToolCall
) & { id: string };

type Status = 'in_progress' | 'completed';

/** @returns the type of the items of a tool's calls. @param offered undefined for a tool that was not offered */
export function callItemType(offered: OfferedTool | undefined): CallItem['type'] {
  if (offered === undefined) return 'function_call';
  return `${offered.type === 'custom' ? 'custom_tool' : offered.type}_call`;
}

/**
 * Makes the item of a call that the model made.
 *
 * @param offered the tool that was called; undefined if it was not offered
 * @see https://platform.openai.com/docs/api-reference/responses/object (output)
 */
export function callItem(id: string, offered: OfferedTool | undefined, call: Omit<ToolCallEvent, 'type'>): CallItem {
  const base = { id, status: 'completed', call_id: call.id } as const;
  const {
    name = call.name,
    namespace,
    type = 'function',
    format,
    calledType = type,
  }: Partial<OfferedTool> = offered ?? {};
  const inNamespace = namespace === undefined ? {} : { namespace };
  switch (type) {
    case 'function':
      return { type: 'function_call', ...base, name, arguments: call.arguments, ...inNamespace };
    case 'custom':
      return { type: 'custom_tool_call', ...base, name, input: toInput(call.arguments, format), ...inNamespace };
    case 'tool_search':
      return { type: 'tool_search_call', ...base, execution: 'client', arguments: readArguments(call.arguments) };
    case 'computer':
      return { type: 'computer_call', ...base, ...computerFields(readArguments(call.arguments), calledType) };
    case 'local_shell':
      return { type: 'local_shell_call', ...base, action: toLocalShellAction(readArguments(call.arguments)) };
    case 'shell':
      return { type: 'shell_call', ...base, action: toShellAction(readArguments(call.arguments)), environment: null };
    case 'apply_patch':
      return { type: 'apply_patch_call', ...base, operation: toOperation(readArguments(call.arguments)) };
    default:
      return type satisfies never;
  }
}

/** @returns {} for arguments that are not an object: the client then reports what is missing to the model */
function readArguments(text: string): JsonObject {
  try {
    const parsed = parseExact(text);
    return isObject(parsed) ? parsed : {};
  } catch {
    return {};
  }
}

/** Models also write a command as one text. */
function toLocalShellAction(fields: JsonObject): ResponseOutputItem.LocalShellCall['action'] {
  const command = fields['command'];
  return {
    type: 'exec',
    command: typeof command === 'string' ? ['bash', '-lc', command] : texts(command),
    env: {},
    ...(typeof fields['working_directory'] === 'string' && { working_directory: fields['working_directory'] }),
    // Not null: the AI SDK refuses it.
    ...(numberOf(fields['timeout_ms']) !== null && { timeout_ms: numberOf(fields['timeout_ms']) }),
  };
}

function toShellAction(fields: JsonObject): ResponseFunctionShellToolCall.Action {
  const commands = fields['commands'] ?? fields['command'];
  return {
    commands: typeof commands === 'string' ? [commands] : texts(commands),
    timeout_ms: numberOf(fields['timeout_ms']),
    max_output_length: numberOf(fields['max_output_length']),
  };
}

function toOperation({ type, path, diff }: JsonObject): ResponseApplyPatchToolCall['operation'] {
  const file = textIn(path);
  const text = textIn(diff);
  if (type === 'delete_file') return { type, path: file };
  return { type: type === 'create_file' ? type : 'update_file', path: file, diff: text };
}

function texts(value: unknown): string[] {
  return Array.isArray(value) ? value.map(String) : [];
}

function numberOf(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}
