import type { ResourceProtocol, ResourceRequest, TextStore } from '../../../../chat/protocol.ts';
import { GatewayError, invalidValue } from '../../../../errors.ts';
import { openaiErrors } from '../../error.ts';
import { isResponseId } from '../ids.ts';
import type { Item } from '../items.ts';
import { type StoredResponse, StoredResponses } from './stored-responses.ts';

const path = '/v1/responses/:id';

/**
 * The endpoints of stored responses: `GET` and `DELETE /v1/responses/{id}`, `GET /v1/responses/{id}/input_items`.
 *
 * @see https://platform.openai.com/docs/api-reference/responses/get
 */
export function responseResources(store: TextStore): ResourceProtocol[] {
  const find = async ({ id, owner }: ResourceRequest): Promise<StoredResponse> => {
    const stored = await new StoredResponses(store, owner).get(id);
    if (stored === undefined) throw notFound(id);
    return stored;
  };
  return [
    {
      method: 'GET',
      path,
      errors: openaiErrors,
      async answer(request) {
        if (request.query.get('stream') === 'true') {
          throw invalidValue('stream', 'A stored response cannot be streamed. Omit stream.');
        }
        return (await find(request)).response;
      },
    },
    {
      method: 'DELETE',
      path,
      errors: openaiErrors,
      async answer({ id, owner }) {
        if (!(await new StoredResponses(store, owner).delete(id))) throw notFound(id);
        return { id, object: 'response', deleted: true };
      },
    },
    {
      method: 'GET',
      path: `${path}/input_items`,
      errors: openaiErrors,
      answer: async (request) => toPage((await find(request)).input, request.query),
    },
  ];
}

/** @see https://platform.openai.com/docs/api-reference/responses/input-items */
function toPage(input: readonly Item[], query: URLSearchParams): object {
  const limit = readLimit(query);
  const items = readOrder(query) === 'asc' ? input : input.toReversed();
  const start = readStart(query, items);
  const data = items.slice(start, start + limit);
  return {
    object: 'list',
    data,
    first_id: data[0]?.id ?? null,
    last_id: data.at(-1)?.id ?? null,
    has_more: start + data.length < items.length,
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
function readStart(query: URLSearchParams, items: readonly Item[]): number {
  const after = query.get('after');
  if (after === null) return 0;
  const index = items.findIndex(({ id }) => id === after);
  if (index === -1) throw invalidValue('after', 'after must be the id of an input item.');
  return index + 1;
}

function notFound(id: string): GatewayError {
  return new GatewayError(
    'not_found',
    isResponseId(id) ? `Response with id '${id}' not found.` : 'Response not found.',
  );
}
