import type { JsonObject } from '../chat/request.ts';

/** A field with one of these values changes nothing, so it is not reported. An empty object or array counts too. */
const neutral: ReadonlySet<unknown> = new Set([undefined, null, false, '', 'auto', 'default']);

/** Collects the fields of one request that have no effect, so that none of them is dropped silently. */
export class DroppedFields {
  /** The fields that were added, in this order. */
  readonly names = new Set<string>();

  /**
   * Adds a field, unless its value is neutral.
   *
   * @param field the dialect's own name for it, nested fields with dots: `messages.name`
   */
  add(field: string, value: unknown): void {
    const isEmpty = typeof value === 'object' && value !== null && Object.keys(value).length === 0;
    if (!isEmpty && !neutral.has(value)) this.names.add(field);
  }

  /** Adds every field of a request body that is not in `known`, unless its value is neutral. */
  addUnknown(body: JsonObject, known: ReadonlySet<string>): void {
    for (const [field, value] of Object.entries(body)) if (!known.has(field)) this.add(field, value);
  }
}
