import type { JsonObject } from '../../../chat/request.ts';
import type { ResourceProtocol, ResourceRequest, TextStore } from '../../../chat/protocol.ts';
import { GatewayError, invalidValue, quoted } from '../../../errors.ts';
import { DroppedFields } from '../../dropped-fields.ts';
import { type FieldTable, type Values, readFields } from '../../field-table.ts';
import { object, readObjectBody, required } from '../../fields.ts';
import { openaiErrors } from '../error.ts';
import { readMetadata } from '../responses/metadata.ts';
import { History } from '../responses/stored/history.ts';
import { itemList, pageOf } from '../responses/stored/page.ts';
import { storedFor } from '../responses/stored/stored.ts';
import type { Conversation, StoredItem } from './conversation.ts';
import { conversationFields, itemsFields, updateFields } from './fields.ts';
import { readItems } from './items.ts';
import { StoredConversations, notFound } from './stored-conversations.ts';

/**
 * The endpoints of conversations: `POST /v1/conversations`, `GET`, `POST` and `DELETE /v1/conversations/{id}`, `GET` and `POST`
 * `/v1/conversations/{id}/items`, `GET` and `DELETE /v1/conversations/{id}/items/{item}`.
 *
 * @see https://platform.openai.com/docs/api-reference/conversations
 */
export function conversationResources(store: TextStore): ResourceProtocol[] {
  const stored = ({ owner, quota }: ResourceRequest): StoredConversations =>
    new StoredConversations(store, owner, quota);
  const history = ({ owner, quota }: ResourceRequest): History => new History(storedFor(store, owner, quota));
  return [
    endpoint('POST', '/v1/conversations', async (request) => {
      const { values, dropped } = readBody(conversationFields, request);
      const metadata = readMetadata(object(values.metadata, 'metadata'), dropped);
      const items = await readItems(values.items, { taken: [], history: history(request), dropped });
      request.report([...dropped.names]);
      return toBody(await stored(request).create(metadata, items));
    }),
    endpoint('GET', '/v1/conversations/:id', async (request) => toBody(await stored(request).get(request.id))),
    endpoint('POST', '/v1/conversations/:id', async (request) => {
      const { fields, dropped } = readBody(updateFields, request);
      const conversation = await stored(request).get(request.id);
      const metadata = readMetadata(newMetadata(fields['metadata']), dropped);
      request.report([...dropped.names]);
      await stored(request).change(request.id, { metadata }, 'metadata');
      return toBody({ ...conversation, metadata });
    }),
    endpoint('DELETE', '/v1/conversations/:id', async (request) => {
      const { id } = request;
      if (!(await stored(request).delete(id))) throw notFound(id);
      return { id, object: 'conversation.deleted', deleted: true };
    }),
    endpoint('GET', '/v1/conversations/:id/items', async (request) => {
      requireKnown(request.query);
      return pageOf((await stored(request).get(request.id)).items, request.query);
    }),
    endpoint('POST', '/v1/conversations/:id/items', async (request) => {
      requireKnown(request.query);
      const { values, dropped } = readBody(itemsFields, request);
      if (values.items === undefined) throw invalidValue('items', 'items is required.');
      const conversation = await stored(request).get(request.id);
      const taken = conversation.items.map(({ id }) => id);
      const items = await readItems(values.items, { taken, history: history(request), dropped });
      stored(request).requireRoom(conversation, items, 'items');
      request.report([...dropped.names]);
      await stored(request).change(request.id, { items });
      return itemList(items, false);
    }),
    endpoint('GET', '/v1/conversations/:id/items/:item', async (request) => {
      requireKnown(request.query);
      return findItem(await stored(request).get(request.id), request.item);
    }),
    endpoint('DELETE', '/v1/conversations/:id/items/:item', async (request) => {
      const conversation = await stored(request).get(request.id);
      const { id } = findItem(conversation, request.item);
      await stored(request).change(request.id, { deleted: id });
      return toBody(conversation);
    }),
  ];
}

function endpoint(
  method: ResourceProtocol['method'],
  path: string,
  answer: ResourceProtocol['answer'],
): ResourceProtocol {
  return { method, path, errors: openaiErrors, answer };
}

/**
 * @returns the metadata that replace those of a conversation; `null` removes them
 * @throws {GatewayError} 400 for anything that is no object, which must not remove them
 */
function newMetadata(value: unknown): JsonObject {
  return value === null ? {} : required(object, value, 'metadata');
}

function readBody<Table extends FieldTable>(
  table: Table,
  { body }: ResourceRequest,
): { readonly fields: JsonObject; readonly values: Values<Table>; readonly dropped: DroppedFields } {
  const dropped = new DroppedFields();
  const fields = readObjectBody(body());
  return { fields, values: readFields(table, fields, dropped), dropped };
}

/** @see https://platform.openai.com/docs/api-reference/conversations/object */
function toBody({ id, created, metadata }: Conversation): object {
  return { id, object: 'conversation', created_at: created, metadata };
}

function findItem(conversation: Conversation, id: string): StoredItem {
  const item = conversation.items.find((other) => other.id === id);
  if (item !== undefined) return item;
  throw new GatewayError('not_found', `Item with id '${quoted(id)}' not found in conversation '${conversation.id}'.`);
}

/** Parts of items that OpenAI leaves out unless `include` names them. Stored items are sent with everything they have. */
const includable: ReadonlySet<string> = new Set([
  'code_interpreter_call.outputs',
  'computer_call_output.output.image_url',
  'file_search_call.results',
  'message.input_image.image_url',
  'message.output_text.logprobs',
  'reasoning.encrypted_content',
  'web_search_call.action.sources',
  'web_search_call.results',
]);

/** @throws {GatewayError} 400 for a part in `include` that no item has */
function requireKnown(query: URLSearchParams): void {
  for (const name of ['include', 'include[]']) {
    const unknown = query.getAll(name).find((value) => !includable.has(value));
    if (unknown !== undefined) throw invalidValue('include', `include must be some of ${[...includable].join(', ')}.`);
  }
}
