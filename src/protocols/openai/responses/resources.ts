import type { TextStore, ResourceProtocol, ResourceRequest } from '../../../chat/protocol.ts';
import { GatewayError, invalidValue } from '../../../errors.ts';
import { openaiErrors } from '../error.ts';
import { isResponseId } from './ids.ts';
import type { Item } from './items.ts';
import { type StoredResponse, StoredResponses } from './stored-responses.ts';

const path = '/v1/responses/:id';

/**
 * Responses that are kept: `GET` and `DELETE /v1/responses/{id}`, `GET /v1/responses/{id}/input_items`.
 *
 * @see https://platform.openai.com/docs/api-reference/responses/get
 */
export function responseResources(keeper: TextStore): ResourceProtocol[] {
  const find = async ({ id, owner }: ResourceRequest): Promise<StoredResponse> => {
    const found = await new StoredResponses(keeper, owner).get(id);
    if (found === undefined) throw unknown(id);
    return found;
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
        if (!(await new StoredResponses(keeper, owner).delete(id))) throw unknown(id);
        return { id, object: 'response', deleted: true };
      },
    },
    {
      method: 'GET',
      path: `${path}/input_items`,
      errors: openaiErrors,
      answer: async (request) => page((await find(request)).input, request.query),
    },
  ];
}

/** @see https://platform.openai.com/docs/api-reference/responses/input-items */
function page(input: readonly Item[], query: URLSearchParams): object {
  const limit = query.get('limit') ?? '20';
  if (!/^\d{1,3}$/.test(limit) || Number(limit) < 1 || Number(limit) > 100) {
    throw invalidValue('limit', 'limit must be a whole number from 1 to 100.');
  }
  const order = query.get('order') ?? 'desc';
  if (order !== 'asc' && order !== 'desc') throw invalidValue('order', 'order must be one of asc, desc.');
  const items = order === 'asc' ? input : input.toReversed();
  const after = query.get('after');
  const start = after === null ? 0 : items.findIndex(({ id }) => id === after) + 1;
  if (after !== null && start === 0) throw invalidValue('after', 'after must be the id of an input item.');
  const data = items.slice(start, start + Number(limit));
  return {
    object: 'list',
    data,
    first_id: data[0]?.id ?? null,
    last_id: data.at(-1)?.id ?? null,
    has_more: start + data.length < items.length,
  };
}

function unknown(id: string): GatewayError {
  return new GatewayError(
    'not_found',
    isResponseId(id) ? `Response with id '${id}' not found.` : 'Response not found.',
  );
}
