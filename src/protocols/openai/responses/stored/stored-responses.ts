import type { TextStore } from '../../../../chat/protocol.ts';
import { isResponseId, itemId } from '../ids.ts';
import type { Item } from '../items.ts';
import type { ResponseBody } from '../response.ts';

/** A response with the input it was made from, which does not include the responses before it. */
export interface StoredResponse {
  readonly response: ResponseBody;
  /** Each item has an id. */
  readonly input: readonly Item[];
}

/** @returns the input with an id for each item that has none */
export function inputWithIds<InputItem extends Item>(
  input: readonly InputItem[],
  response: string,
): (InputItem & { id: string })[] {
  return input.map((item, index) => ({ ...item, id: item.id ?? itemId(item.type, response, 'input', index) }));
}

/** The stored responses of one owner. Those of others cannot be found. */
export class StoredResponses {
  readonly #store: TextStore;
  readonly #owner: string;
  readonly #quota: string;

  constructor(store: TextStore, owner: string, quota = owner) {
    this.#store = store;
    this.#owner = owner;
    this.#quota = quota;
  }

  async get(id: string): Promise<StoredResponse | undefined> {
    const text = await this.getText(id);
    return text === undefined ? undefined : (JSON.parse(text) as StoredResponse);
  }

  /** @returns the JSON of a stored response */
  async getText(id: string): Promise<string | undefined> {
    return isResponseId(id) ? await this.#store.get(this.#owner, id) : undefined;
  }

  /**
   * Starts to store a response and does not wait, so that a slow or failing store never delays an answer.
   *
   * @param input with ids
   */
  put(response: ResponseBody, input: readonly Item[]): void {
    this.renew(response.id, JSON.stringify({ response, input } satisfies StoredResponse));
  }

  /** Stores a response for another full lifetime, without waiting. @param text its JSON */
  renew(id: string, text: string): void {
    this.#store.put(this.#owner, id, text, this.#quota).catch(() => undefined);
  }

  /** @returns true when there was a response to delete */
  async delete(id: string): Promise<boolean> {
    return isResponseId(id) && (await this.#store.delete(this.#owner, id));
  }
}
