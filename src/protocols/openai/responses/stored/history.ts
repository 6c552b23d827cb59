import { GatewayError } from '../../../../errors.ts';
import { isResponseId, parseItemId } from '../ids.ts';
import type { Item } from '../items.ts';
import type { StoredResponse, StoredResponses } from './stored-responses.ts';

/** Limits on what one request may load: stored responses, and characters of their JSON. */
const maxResponses = 1_000;
const maxCharacters = 32 * 1024 * 1024;

/**
 * Loads the earlier responses that one request continues or refers to. Each that is loaded is renewed, so that a
 * conversation that goes on does not lose its beginning.
 */
export class History {
  readonly #stored: StoredResponses;
  readonly #loaded = new Map<string, StoredResponse | undefined>();
  readonly #itemsById = new Map<string, Item>();
  #characters = 0;

  constructor(stored: StoredResponses) {
    this.#stored = stored;
  }

  /**
   * Loads the conversation that ends in a response.
   *
   * @returns the items of that response and of all before it, the oldest first
   * @throws {GatewayError} 400 when one of the responses is not stored, or when there are too many
   */
  async conversation(id: string): Promise<Item[]> {
    const chain: StoredResponse[] = [];
    let next: string | null | undefined = id;
    while (next != null) {
      // A response that is loaded already is in this chain: the chain is a circle.
      const stored: StoredResponse | undefined = this.#loaded.has(next) ? undefined : await this.#load(next);
      if (stored === undefined) throw unknownPrevious(next);
      chain.push(stored);
      next = stored.response.previous_response_id;
    }
    const items = chain.toReversed().flatMap(({ response, input }) => [...input, ...(response.output as Item[])]);
    for (const item of items) if (item.id !== undefined) this.#itemsById.set(item.id, item);
    return items;
  }

  /** @returns an item of an earlier response, if stored. @throws {GatewayError} 400 when there are too many */
  async item(id: string): Promise<Item | undefined> {
    const item = this.#itemsById.get(id) ?? (await this.#findByPosition(id));
    // An item may be referred to repeatedly, and is then sent repeatedly.
    if (item !== undefined) this.#countCharacters(JSON.stringify(item).length);
    return item;
  }

  async #findByPosition(id: string): Promise<Item | undefined> {
    const position = parseItemId(id);
    if (position === undefined) return undefined;
    const stored = await this.#load(position.response);
    const items = position.list === 'input' ? stored?.input : (stored?.response.output as Item[] | undefined);
    const item = items?.[position.index];
    return item?.id === id ? item : undefined;
  }

  async #load(id: string): Promise<StoredResponse | undefined> {
    if (this.#loaded.has(id)) return this.#loaded.get(id);
    if (this.#loaded.size >= maxResponses) throw tooLong();
    const text = await this.#stored.getText(id);
    if (text !== undefined) {
      this.#countCharacters(text.length);
      this.#stored.renew(id, text);
    }
    const stored = text === undefined ? undefined : (JSON.parse(text) as StoredResponse);
    this.#loaded.set(id, stored);
    return stored;
  }

  #countCharacters(characters: number): void {
    this.#characters += characters;
    if (this.#characters > maxCharacters) throw tooLong();
  }
}

function unknownPrevious(id: string): GatewayError {
  const withId = isResponseId(id) ? ` with id '${id}'` : '';
  return new GatewayError('previous_response_not_found', `Previous response${withId} not found.`, {
    param: 'previous_response_id',
  });
}

function tooLong(): GatewayError {
  return new GatewayError('invalid_value', 'The stored conversation is too long to continue.', {
    param: 'previous_response_id',
  });
}
