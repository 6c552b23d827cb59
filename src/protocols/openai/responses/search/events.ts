import type { ResponseFunctionWebSearch, ResponseStreamEvent } from 'openai/resources/responses/responses';
import type { Unnumbered } from '../open-item.ts';

/** @returns the events of a search that begins. @param index of the item in the response's output */
export function begunEvents(
  item: ResponseFunctionWebSearch & { id: string },
  index: number,
): Unnumbered<ResponseStreamEvent>[] {
  const position = { item_id: item.id, output_index: index };
  return [
    { type: 'response.output_item.added', output_index: index, item },
    { type: 'response.web_search_call.in_progress', ...position },
    { type: 'response.web_search_call.searching', ...position },
  ];
}

/** @returns the events of a search that has ended */
export function endedEvents(
  item: ResponseFunctionWebSearch & { id: string },
  index: number,
): Unnumbered<ResponseStreamEvent>[] {
  const done = { type: 'response.output_item.done', output_index: index, item } as const;
  if (item.status !== 'completed') return [done];
  return [{ type: 'response.web_search_call.completed', item_id: item.id, output_index: index }, done];
}
