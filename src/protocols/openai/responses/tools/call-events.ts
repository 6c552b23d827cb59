import type { ResponseStreamEvent } from 'openai/resources/responses/responses';
import type { Unnumbered } from '../open-item.ts';
import type { CallItem } from './call-items.ts';

/**
 * @param index of the item in the response's output
 * @returns the events of a call. Its text is in one delta: backends send calls whole
 * @see https://platform.openai.com/docs/api-reference/responses-streaming
 */
export function callEvents(item: CallItem, index: number): Unnumbered<ResponseStreamEvent>[] {
  return [
    { type: 'response.output_item.added', output_index: index, item: started(item) },
    ...textEvents(item, index),
    { type: 'response.output_item.done', output_index: index, item },
  ];
}

/** @returns the item before its first delta */
function started(item: CallItem): CallItem {
  if (item.type === 'function_call') return { ...item, status: 'in_progress', arguments: '' };
  if (item.type === 'custom_tool_call') return { ...item, status: 'in_progress', input: '' };
  return { ...item, status: 'in_progress' };
}

function textEvents(item: CallItem, index: number): Unnumbered<ResponseStreamEvent>[] {
  const position = { item_id: item.id, output_index: index };
  if (item.type === 'function_call') {
    const { name, arguments: text } = item;
    // OpenAI sends the name too, which the SDK's type does not declare.
    const done = { type: 'response.function_call_arguments.done' as const, ...position, name, arguments: text };
    return [{ type: 'response.function_call_arguments.delta', ...position, delta: text }, done];
  }
  if (item.type !== 'custom_tool_call') return [];
  return [
    { type: 'response.custom_tool_call_input.delta', ...position, delta: item.input },
    { type: 'response.custom_tool_call_input.done', ...position, input: item.input },
  ];
}
