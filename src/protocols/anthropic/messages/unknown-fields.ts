import type { JsonObject } from '../../../chat/request.ts';
import type { DroppedFields } from '../../dropped-fields.ts';

/**
 * Adds the fields of an object that are not in `known` to the dropped ones. `cache_control` may be in any object and
 * has one name for all.
 *
 * @param prefix of the names: `messages.content.` for a block, '' for the body
 */
export function dropUnknown(
  dropped: DroppedFields,
  prefix: string,
  fields: JsonObject,
  known: readonly string[],
): void {
  for (const [field, value] of Object.entries(fields)) {
    if (field === 'cache_control') dropped.add(field, value);
    else if (!known.includes(field)) dropped.add(prefix + field, value);
  }
}
