import type { TextStore } from '../../../chat/protocol.ts';
import { GatewayError } from '../../../errors.ts';
import { isResponseId, itemId, placeOf } from './ids.ts';
import type { Item } from './items.ts';
import type { ResponseBody } from './response.ts';

/** What is kept of an answer: the answer, and what it was made from besides the responses before it. */
export interface StoredResponse {
  readonly response: ResponseBody;
  /** Each with its id. */
  readonly input: readonly Item[];
}

/** Bounds of what one request may bring back from earlier ones. */
const maxLinks = 1_000;
const maxCharacters = 32 * 1024 * 1024;

/** The responses of one owner. Nobody else's exist for it. */
export class StoredResponses {
  readonly #keeper: TextStore;
  readonly #owner: string;

  constructor(keeper: TextStore, owner: string) {
    this.#keeper = keeper;
    this.#owner = owner;
  }

  async get(id: string): Promise<StoredResponse | undefined> {
    const text = await this.text(id);
    return text === undefined ? undefined : (JSON.parse(text) as StoredResponse);
  }

  async text(id: string): Promise<string | undefined> {
    return isResponseId(id) ? await this.#keeper.get(this.#key(id)) : undefined;
  }

  /** Begins to keep a response, and does not wait: an answer is not held up by what becomes of its copy. */
  put(response: ResponseBody, input: readonly Item[]): void {
    const named = input.map((item, index) => ({
      ...item,
      id: item.id ?? itemId(item.type, response.id, 'input', index),
    }));
    this.again(response.id, JSON.stringify({ response, input: named } satisfies StoredResponse));
  }

  /** Keeps what is already kept for as long as if it were new. */
  again(id: string, text: string): void {
    this.#keeper.put(this.#key(id), text).catch(() => undefined);
  }

  async delete(id: string): Promise<boolean> {
    return isResponseId(id) && (await this.#keeper.delete(this.#key(id)));
  }

  /** An id has no colon, so that no owner and id together can be those of another. */
  #key(id: string): string {
    return `response:${this.#owner}:${id}`;
  }
}

/**
 * What one request takes up of earlier responses. Each of them is kept anew: a conversation that goes on does not lose
 * its beginning.
 */
export class History {
  readonly #kept: StoredResponses;
  readonly #read = new Map<string, StoredResponse | undefined>();
  readonly #byId = new Map<string, Item>();
  #characters = 0;

  constructor(kept: StoredResponses) {
    this.#kept = kept;
  }

  /**
   * The items before a request, the oldest first.
   *
   * @throws {GatewayError} 400 where a response is not known, or there are too many
   */
  async before(id: string): Promise<Item[]> {
    const links: StoredResponse[] = [];
    let next: string | null | undefined = id;
    while (next != null) {
      const link: StoredResponse | undefined = this.#read.has(next) ? undefined : await this.#response(next);
      if (link === undefined) throw unknownPrevious(next);
      links.push(link);
      next = link.response.previous_response_id;
    }
    const items = links.toReversed().flatMap(({ response, input }) => [...input, ...(response.output as Item[])]);
    for (const item of items) if (item.id !== undefined) this.#byId.set(item.id, item);
    return items;
  }

  /** One item of an earlier response. @throws {GatewayError} 400 where there are too many */
  async item(id: string): Promise<Item | undefined> {
    const found = this.#byId.get(id) ?? (await this.#placed(id));
    // An item that is named over and over is sent over and over.
    if (found !== undefined) this.#charge(JSON.stringify(found).length);
    return found;
  }

  async #placed(id: string): Promise<Item | undefined> {
    const place = placeOf(id);
    if (place === undefined) return undefined;
    const kept = await this.#response(place.response);
    const items = place.place === 'input' ? kept?.input : (kept?.response.output as Item[] | undefined);
    const item = items?.[place.index];
    return item?.id === id ? item : undefined;
  }

  async #response(id: string): Promise<StoredResponse | undefined> {
    if (this.#read.has(id)) return this.#read.get(id);
    if (this.#read.size >= maxLinks) throw tooMuch();
    const text = await this.#kept.text(id);
    if (text !== undefined) {
      this.#charge(text.length);
      this.#kept.again(id, text);
    }
    const kept = text === undefined ? undefined : (JSON.parse(text) as StoredResponse);
    this.#read.set(id, kept);
    return kept;
  }

  #charge(characters: number): void {
    this.#characters += characters;
    if (this.#characters > maxCharacters) throw tooMuch();
  }
}

function unknownPrevious(id: string): GatewayError {
  const named = isResponseId(id) ? ` with id '${id}'` : '';
  return new GatewayError('previous_response_not_found', `Previous response${named} not found.`, {
    param: 'previous_response_id',
  });
}

function tooMuch(): GatewayError {
  return new GatewayError('invalid_value', 'The stored conversation is too long to continue.', {
    param: 'previous_response_id',
  });
}
