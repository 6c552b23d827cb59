import type { GenerationCall } from '../chat/protocol.ts';

/** A field with one of these values changes nothing, so it is not reported. */
const neutral: ReadonlySet<unknown> = new Set([undefined, null, false, '', 'auto', 'default']);

/** Names with other characters, or longer ones, have no place in a header. */
const plainName = /^[\w.-]{1,64}$/;

/** True for a value that asks for nothing in any field. */
export function isEmpty(value: unknown): boolean {
  return neutral.has(value) || (typeof value === 'object' && value !== null && Object.keys(value).length === 0);
}

/** Collects the fields of one request that have no effect, so that none of them is dropped silently. */
export class DroppedFields {
  /** The fields that were added, in this order. */
  readonly names = new Set<string>();
  #spellings: Map<string, string> | undefined;

  /** @returns the fields of a call that list what was dropped */
  report(): Pick<GenerationCall, 'dropped' | 'spellings'> {
    return { dropped: [...this.names], ...(this.#spellings && { spellings: this.#spellings }) };
  }

  /** Notes how the client spelled a field that a server may have no use for. */
  spell(name: string, spelling: string): void {
    if (name === spelling) return;
    this.#spellings ??= new Map();
    this.#spellings.set(name, spelling);
  }

  /**
   * Adds a field, unless its value is neutral.
   *
   * @param field the dialect's own name for it, nested fields with dots: `messages.name`
   */
  add(field: string, value: unknown): void {
    if (!isEmpty(value)) this.names.add(field);
  }

  /**
   * Adds an unknown field, whatever its value: nobody knows what `false` means to it.
   *
   * @param prefix of its path: `messages.`, or '' for the body
   * @param name chosen by the client: of a nested field it may become `other`
   */
  addUnknown(prefix: string, name: string): void {
    this.names.add(prefix === '' || plainName.test(name) ? prefix + name : `${prefix}other`);
    // It may have the name of a field of another API.
    if (prefix === '') (this.#spellings ??= new Map()).set(name, name);
  }
}
