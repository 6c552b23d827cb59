import { randomBytes } from 'node:crypto';
import type { JsonObject } from '../../../chat/request.ts';
import { invalidValue } from '../../../errors.ts';
import { textIn } from '../../../framing/json.ts';
import type { DroppedFields } from '../../dropped-fields.ts';
import { array, object, required } from '../../fields.ts';
import { itemPrefix } from '../responses/ids.ts';
import { readEntry } from '../responses/input.ts';
import { resolveReference } from '../responses/references.ts';
import type { History } from '../responses/stored/history.ts';
import type { StoredItem } from './conversation.ts';

/** Maximum number of items that one request may add. */
const maxAdded = 20;

/** A conversation to which items are added. */
interface Destination {
  /** The ids that are taken. */
  readonly taken: Iterable<string>;
  /** Finds items that the client refers to. */
  readonly history: History;
  readonly dropped: DroppedFields;
}

/**
 * Reads the `items` to add to a conversation. Those of types that no model can be sent are stored as they are.
 *
 * @throws {GatewayError} 400 with `param` for an item that does not fit its type and for more than 20, 404 for a reference to
 *   an item that is not stored
 * @see https://platform.openai.com/docs/api-reference/conversations/create-items
 */
export async function readItems(value: unknown, { taken, history, dropped }: Destination): Promise<StoredItem[]> {
  const given = array(value, 'items') ?? [];
  if (given.length > maxAdded) throw invalidValue('items', `items must have at most ${maxAdded} items.`);
  const ids = new Set(taken);
  const items: StoredItem[] = [];
  for (const [index, item] of given.entries()) {
    const path = `items[${index}]`;
    const fields = required(object, item, path);
    const [entry] = readEntry(fields, path, dropped);
    const read = entry !== undefined && 'reference' in entry ? await resolveReference(entry, history) : entry?.item;
    if (read === undefined && entry !== undefined) {
      dropped.add('items.item_reference', true);
      continue;
    }
    const stored = withId({ type: textIn(fields['type']), ...fields, ...read }, ids);
    ids.add(stored.id);
    items.push(stored);
  }
  return items;
}

/** The id becomes part of a path. */
function withId(item: JsonObject & { readonly type: string }, taken: ReadonlySet<string>): StoredItem {
  const id = textIn(item['id']);
  const isUsable = /^[\w-]{1,128}$/.test(id) && !taken.has(id);
  return { ...item, id: isUsable ? id : `${itemPrefix(item.type)}_${randomBytes(24).toString('hex')}` };
}
