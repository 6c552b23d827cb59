import type { ResourceProtocol, ResourceRequest, TextStore } from '../../../../chat/protocol.ts';
import { GatewayError, invalidValue } from '../../../../errors.ts';
import { openaiErrors } from '../../error.ts';
import { isResponseId } from '../ids.ts';
import { pageOf } from './page.ts';
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
      path: '/v1/responses/:id/input_items',
      errors: openaiErrors,
      answer: async (request) => pageOf((await find(request)).input, request.query),
    },
  ];
}

function notFound(id: string): GatewayError {
  return new GatewayError(
    'not_found',
    isResponseId(id) ? `Response with id '${id}' not found.` : 'Response not found.',
  );
}
