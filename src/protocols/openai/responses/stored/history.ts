import { GatewayError } from '../../../../errors.ts';
import type { Conversation } from '../../conversations/conversation.ts';
import { DroppedFields } from '../../../dropped-fields.ts';
import { isResponseId, parseItemId } from '../ids.ts';
import { readEntry } from '../input.ts';
import type { Item } from '../items.ts';
import type { StoredResponse } from './stored-responses.ts';
import type { Stored } from './stored.ts';

/** Limits on what one request may load: stored responses, and characters of their JSON. */
const maxResponses = 1_000;
const maxCharacters = 32 * 1024 * 1024;

/**
 * Loads the earlier responses that one request continues or refers to. Each that is loaded is renewed, so that a
 * conversation that goes on does not lose its beginning.
 */
export class History {
  readonly #stored: Stored;
  readonly #loaded = new Map<string, StoredResponse | undefined>();
  readonly #itemsById = new Map<string, Item>();
  #characters = 0;

  constructor(stored: Stored) {
    this.#stored = stored;
  }

  /**
   * Loads everything up to a response.
   *
   * @returns the items of that response and of all before it, the oldest first
   * @throws {GatewayError} 400 when one of the responses is not stored, or when there are too many
   */
  async upTo(id: string): Promise<Item[]> {
    const chain: StoredResponse[] = [];
    let next: string | null | undefined = id;
    while (next != null) {
      // A response that is loaded already is in this chain: the chain is a circle.
      const stored: StoredResponse | undefined = this.#loaded.has(next) ? undefined : await this.#load(next);
      if (stored === undefined) throw unknownPrevious(next);
      chain.push(stored);
      next = stored.response.previous_response_id;
    }
    const items = chain.toReversed().flatMap(itemsOf);
    return this.#remember([...(await this.#before(chain.at(-1))), ...items]);
  }

  /**
   * @param dropped gets the items that no model can be sent
   * @returns all items of a conversation, the oldest first
   */
  conversation({ items }: Pick<Conversation, 'items'>, dropped: DroppedFields): Item[] {
    return this.#remember(
      items.flatMap((item) => {
        const [entry] = readEntry(item, 'conversation', dropped);
        return entry !== undefined && 'item' in entry ? [entry.item] : [];
      }),
    );
  }

  /** @returns the items of the conversation that a response was made in, as far as they came before it */
  async #before(response: StoredResponse | undefined): Promise<Item[]> {
    const id = response?.response.conversation?.id;
    if (response === undefined || id === undefined) return [];
    const { items } = await this.#stored.conversations.get(id, 'previous_response_id');
    const ids = new Set(itemsOf(response).map((item) => item.id));
    const end = items.findIndex((item) => ids.has(item.id));
    return this.conversation({ items: end === -1 ? items : items.slice(0, end) }, new DroppedFields());
  }

  #remember(items: Item[]): Item[] {
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
    const text = await this.#stored.responses.getText(id);
    if (text !== undefined) {
      this.#countCharacters(text.length);
      this.#stored.responses.renew(id, text);
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

function itemsOf({ response, input }: StoredResponse): Item[] {
  return [...input, ...(response.output as Item[])];
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
