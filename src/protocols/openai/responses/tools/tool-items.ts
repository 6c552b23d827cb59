import type { JsonObject } from '../../../../chat/request.ts';
import { isObject, textIn, textOrJson } from '../../../../framing/json.ts';
import type { DroppedFields } from '../../../dropped-fields.ts';
import { fromInput } from '../../custom-tools.ts';
import { type HostedType, hostedCallOf, isHostedCall } from './hosted-calls.ts';
import { type OfferedTools, qualifiedName } from './offered-tools.ts';
import { readTools } from './read-tools.ts';

/** The types of items that are calls of tools that are not functions. */
const callTypes = [
  'custom_tool_call',
  'tool_search_call',
  'local_shell_call',
  'shell_call',
  'apply_patch_call',
  'computer_call',
  'program',
] as const;

/** The types of items with the results of such calls. */
const outputTypes = [
  'custom_tool_call_output',
  'tool_search_output',
  'local_shell_call_output',
  'shell_call_output',
  'apply_patch_call_output',
  'computer_call_output',
  'program_output',
] as const;

/** A call of a tool that is not a function, or its result, with all the fields that the client sent. */
export interface ToolItem {
  readonly type: (typeof callTypes)[number] | (typeof outputTypes)[number] | HostedType | 'additional_tools';
  readonly id?: string;
  readonly call_id: string;
  readonly [field: string]: unknown;
}

const types: ReadonlySet<string> = new Set([...callTypes, ...outputTypes, 'additional_tools']);
const hostedTypes: ReadonlySet<string> = new Set<HostedType>([
  'mcp_call',
  'code_interpreter_call',
  'file_search_call',
  'image_generation_call',
]);

/** True for an item of these types. */
export function isToolItem<Item extends { readonly type: string }>(item: Item): item is Extract<Item, ToolItem> {
  return types.has(item.type) || hostedTypes.has(item.type);
}

/** Reads an item of a history, whatever its fields are: a client cannot change them. @returns undefined for another type */
export function readToolItem(type: string, fields: JsonObject): ToolItem | undefined {
  if (!types.has(type) && !isHostedCall(type, fields)) return undefined;
  // The output of a local shell has its call's id as its own.
  const callId = fields['call_id'] ?? fields['id'];
  return { ...fields, type: type as ToolItem['type'], call_id: textIn(callId) };
}

/** A call as the model made it. */
interface FunctionCall {
  readonly name: string;
  readonly arguments: unknown;
}

/** @returns the call of the function that the model was offered instead; undefined for an item that is no call */
export function functionCallOf(item: ToolItem, offered: OfferedTools): FunctionCall | undefined {
  const { name, namespace, arguments: args, action, operation, input } = item;
  const named = { name: textOrJson(name), ...(typeof namespace === 'string' && { namespace }) };
  switch (item.type) {
    case 'custom_tool_call':
      return { name: offered.functionName({ type: 'custom', ...named }), arguments: fromInput(textOrJson(input)) };
    case 'tool_search_call':
      return { name: offered.functionName({ type: 'tool_search', name: 'tool_search' }), arguments: args };
    case 'local_shell_call':
      return {
        name: offered.functionName({ type: 'local_shell', name: 'local_shell' }),
        arguments: withoutEmpty(withoutType(action)),
      };
    case 'shell_call':
      return { name: offered.functionName({ type: 'shell', name: 'shell' }), arguments: withoutType(action) };
    case 'apply_patch_call':
      return {
        name: offered.functionName({ type: 'apply_patch', name: 'apply_patch' }),
        arguments: inOrder(operation),
      };
    case 'computer_call':
      return {
        name: offered.functionName({ type: 'computer', name: 'computer' }),
        arguments: action ?? firstOf(item['actions']),
      };
    case 'program':
      return { name: 'program', arguments: { code: item['code'] } };
    default:
      return hostedCallOf(item.type, item);
  }
}

/** True for an item with the result of a call, which may have the call too. */
export function hasOutput({ type }: ToolItem): boolean {
  return hostedTypes.has(type) || (outputTypes as readonly string[]).includes(type);
}

/** @returns the result of a call, as the content of a tool's message */
export function toolOutputOf(item: ToolItem): unknown {
  const { output, status, tools } = item;
  switch (item.type) {
    case 'tool_search_output':
      return `Found: ${toolNames(tools).join(', ') || 'no tools'}.`;
    case 'shell_call_output':
      return Array.isArray(output) ? output.map(shellOutput).join('\n') : output;
    case 'apply_patch_call_output':
      return textOrJson(output) || textOrJson(status);
    case 'computer_call_output':
      return isObject(output) ? [{ ...output, type: 'input_image' }] : output;
    case 'program_output':
      return textOrJson(item['result']);
    default:
      return hostedCallOf(item.type, item)?.output ?? output;
  }
}

/** A call of several actions was made by another model. */
function firstOf(actions: unknown): unknown {
  return Array.isArray(actions) && actions.length === 1 ? actions[0] : { actions };
}

/** Clients sort the fields. The order of the function's parameters keeps the prompt as the model wrote it. */
function inOrder(operation: unknown): unknown {
  if (!isObject(operation)) return operation;
  const { type, path, ...rest } = operation;
  return { type, path, ...rest };
}

/** Environments are empty here, but clients send them back. */
function withoutEmpty(action: unknown): unknown {
  if (!isObject(action)) return action;
  return Object.fromEntries(
    Object.entries(action).filter(([, value]) => !isObject(value) || Object.keys(value).length > 0),
  );
}

function withoutType(action: unknown): unknown {
  if (!isObject(action)) return action;
  const { type: _, ...fields } = action;
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null));
}

function shellOutput(value: unknown): string {
  if (!isObject(value)) return textOrJson(value);
  const { stdout, stderr, outcome } = value;
  const ending = !isObject(outcome)
    ? ''
    : outcome['type'] === 'timeout'
      ? 'It took too long and was stopped.'
      : `Exit code: ${String(outcome['exit_code'])}`;
  return [textOrJson(stdout), textOrJson(stderr), ending].filter((text) => text !== '').join('\n');
}

/** Offers the tools that the client has found since, which may be in any earlier item. */
export function offerFound(
  items: readonly { readonly type: string }[],
  offered: OfferedTools,
  dropped: DroppedFields,
): void {
  for (const item of items) {
    if (item.type !== 'tool_search_output' && item.type !== 'additional_tools') continue;
    const { tools } = item as ToolItem;
    for (const tool of Array.isArray(tools) ? tools : []) offerOne(tool, offered, dropped);
  }
}

function offerOne(tool: unknown, offered: OfferedTools, dropped: DroppedFields): void {
  try {
    const { offered: now, deferred } = readTools([tool], 'tools', dropped);
    for (const found of [...now, ...deferred]) offered.add(found);
  } catch {
    // A client cannot change what is in its history.
    dropped.add('input.tool_search_output', true);
  }
}

function toolNames(tools: unknown, namespace?: string): string[] {
  return (Array.isArray(tools) ? tools : []).flatMap((tool: unknown) => {
    if (!isObject(tool)) return [];
    const name = textOrJson(tool['name']);
    if (Array.isArray(tool['tools'])) return toolNames(tool['tools'], name);
    return [qualifiedName({ name, ...(namespace !== undefined && { namespace }) })];
  });
}
