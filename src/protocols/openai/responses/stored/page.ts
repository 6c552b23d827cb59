import { invalidValue } from '../../../../errors.ts';

interface Identified {
  readonly id?: string;
}

/**
 * @param items the oldest first
 * @param query `limit`, `order` and `after`
 * @returns the page that the query asks for
 * @throws {GatewayError} 400 with `param`
 * @see https://platform.openai.com/docs/api-reference/responses/input-items
 */
export function pageOf(items: readonly Identified[], query: URLSearchParams): object {
  const limit = readLimit(query);
  const ordered = readOrder(query) === 'asc' ? items : items.toReversed();
  const start = readStart(query, ordered);
  const data = ordered.slice(start, start + limit);
  return itemList(data, start + data.length < ordered.length);
}

/** @returns a list of items as OpenAI sends it. @param hasMore true when further items follow those of the list */
export function itemList(data: readonly Identified[], hasMore: boolean): object {
  return {
    object: 'list',
    data,
    first_id: data[0]?.id ?? null,
    last_id: data.at(-1)?.id ?? null,
    has_more: hasMore,
  };
}

function readLimit(query: URLSearchParams): number {
  const limit = query.get('limit') ?? '20';
  if (!/^\d{1,3}$/.test(limit) || Number(limit) < 1 || Number(limit) > 100) {
    throw invalidValue('limit', 'limit must be a whole number from 1 to 100.');
  }
  return Number(limit);
}

function readOrder(query: URLSearchParams): 'asc' | 'desc' {
  const order = query.get('order') ?? 'desc';
  if (order !== 'asc' && order !== 'desc') throw invalidValue('order', 'order must be one of asc, desc.');
  return order;
}

/** @returns the index of the first item after the one with the id `after` */
function readStart(query: URLSearchParams, items: readonly Identified[]): number {
  const after = query.get('after');
  if (after === null) return 0;
  const index = items.findIndex(({ id }) => id === after);
  if (index === -1) throw invalidValue('after', 'after must be the id of an item.');
  return index + 1;
}
