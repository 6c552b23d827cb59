import type { JsonObject } from '../../../chat/request.ts';
import type { DroppedFields } from '../../dropped-fields.ts';

/**
 * Notes the fields of an object that are not among those that are read. Cache marks stand anywhere and have one name.
 *
 * @param prefix `messages.content.` for a block; '' for the body
 */
export function noteUnread(ledger: DroppedFields, prefix: string, value: JsonObject, read: readonly string[]): void {
  for (const [field, given] of Object.entries(value)) {
    if (field === 'cache_control') ledger.note(field, given);
    else if (!read.includes(field)) ledger.note(prefix + field, given);
  }
}
