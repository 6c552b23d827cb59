import type { JsonObject } from '../chat/request.ts';

/** Values with which a field asks for nothing that would not happen anyway. */
function isNeutral(value: unknown): boolean {
  if (value == null || value === false || value === 'auto' || value === 'default' || value === '') return true;
  return typeof value === 'object' && Object.keys(value).length === 0;
}

/** Takes down what of a request changes nothing, so that nothing is dropped in silence. */
export class DroppedFields {
  readonly #dropped = new Set<string>();

  get dropped(): readonly string[] {
    return [...this.#dropped];
  }

  /** @param field as OpenAI names it, a nested one with dots: `messages.name` */
  note(field: string, value: unknown): void {
    if (!isNeutral(value)) this.#dropped.add(field);
  }

  /** Notes the fields of a body that are not among those that are read. */
  noteUnread(body: JsonObject, read: ReadonlySet<string>): void {
    for (const [field, value] of Object.entries(body)) if (!read.has(field)) this.note(field, value);
  }
}
