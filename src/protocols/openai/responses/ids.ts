import { randomBytes } from 'node:crypto';
import type { AnswerHead } from '../../../chat/protocol.ts';

const prefixes = {
  message: 'msg',
  reasoning: 'rs',
  function_call: 'fc',
  function_call_output: 'fco',
  custom_tool_call: 'ctc',
  tool_search_call: 'tsc',
  local_shell_call: 'lsh',
  shell_call: 'sh',
  apply_patch_call: 'apc',
  custom_tool_call_output: 'ctco',
  tool_search_output: 'tso',
  local_shell_call_output: 'lsho',
  shell_call_output: 'sho',
  apply_patch_call_output: 'apco',
  additional_tools: 'at',
  mcp_call: 'mcp',
  code_interpreter_call: 'ci',
  file_search_call: 'fs',
  image_generation_call: 'ig',
  computer_call: 'cu',
  computer_call_output: 'cuo',
  program: 'prog',
  program_output: 'progo',
  agent_message: 'amsg',
  web_search_call: 'ws',
  compaction: 'cmp',
  compaction_trigger: 'cmpt',
} as const;

/** @returns the prefix of the ids of items of this type */
export function itemPrefix(type: string): string {
  return Object.hasOwn(prefixes, type) ? prefixes[type as keyof typeof prefixes] : 'item';
}

const itemIdForm = new RegExp(`^(?:${Object.values(prefixes).join('|')})_([\\w-]{1,123})_(i?)(\\d{1,6})$`);

/**
 * @returns the request's id, or a new one if the client chose it: without keys, anyone who knows the id of a stored response
 *   can read it, so it must be hard to guess
 */
export function responseId({ id, idIsChosen }: Pick<AnswerHead, 'id' | 'idIsChosen'>): string {
  return idIsChosen !== true && isResponseId(id) ? id : `resp_${randomBytes(24).toString('hex')}`;
}

/** True for the form that every stored response's id has. */
export function isResponseId(text: string): boolean {
  return /^resp_[\w-]{1,123}$/.test(text);
}

/** The list of a stored response that an item is in. */
type ItemList = 'input' | 'output';

/**
 * Makes the id of an item. It contains the response's id and the item's index, so that a reference can be resolved
 * without an index of items.
 */
export function itemId(type: keyof typeof prefixes, response: string, list: ItemList, index: number): string {
  return `${prefixes[type]}_${response.slice('resp_'.length)}_${list === 'input' ? 'i' : ''}${index}`;
}

export interface ItemPosition {
  readonly response: string;
  readonly list: ItemList;
  readonly index: number;
}

/** @returns the position at which an item with this id would be stored; undefined for an id of another form */
export function parseItemId(id: string): ItemPosition | undefined {
  const [, response, input, index] = itemIdForm.exec(id) ?? [];
  if (response === undefined || index === undefined) return undefined;
  return { response: `resp_${response}`, list: input === 'i' ? 'input' : 'output', index: Number(index) };
}
