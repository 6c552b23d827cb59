import { randomBytes } from 'node:crypto';
import type { Metadata } from 'openai/resources/shared';
import type { TextStore } from '../../../chat/protocol.ts';
import { GatewayError, invalidValue, quoted } from '../../../errors.ts';
import { type Change, type Conversation, type StoredItem, changeLine, readConversation } from './conversation.ts';

/** Maximum number of items of one conversation. */
const maxItems = 10_000;

/** Maximum number of characters of one conversation's JSON. One request may load as many of stored responses. */
const maxCharacters = 32 * 1024 * 1024;

/** The stored conversations of one owner. Those of others cannot be found. */
export class StoredConversations {
  readonly #store: TextStore;
  readonly #owner: string;
  readonly #quota: string;

  constructor(store: TextStore, owner: string, quota = owner) {
    this.#store = store;
    this.#owner = owner;
    this.#quota = quota;
  }

  /** @throws {GatewayError} 400 when it has more than can be stored */
  async create(metadata: Metadata, items: readonly StoredItem[]): Promise<Conversation> {
    const id = `conv_${randomBytes(24).toString('hex')}`;
    const created = Math.floor(Date.now() / 1000);
    await this.#store.put(this.#owner, id, changeLine({ created }) + changeLine({ metadata }), this.#quota);
    const outcome = await this.#store.append(this.#owner, id, changeLine({ items }), this.#quota);
    if (outcome === 'appended') return { id, created, metadata, items };
    await this.#store.delete(this.#owner, id);
    throw full('items');
  }

  /** @param param the field that names it @throws {GatewayError} 404 when it is not stored, 400 for a text that is no id */
  async get(id: string, param?: string): Promise<Conversation> {
    if (!isConversationId(id)) {
      const message = `Invalid conversation id '${quoted(id)}': it begins with conv_.`;
      throw param === undefined ? notFound(id) : invalidValue(param, message);
    }
    const text = await this.#store.get(this.#owner, id);
    if (text === undefined) throw notFound(id, param);
    return readConversation(id, text);
  }

  /**
   * Checks before a turn that there is room for more.
   *
   * @throws {GatewayError} 400 when there is not
   */
  requireRoom({ items }: Conversation, added: readonly object[], param: string): void {
    if (items.length + added.length > maxItems) throw full(param);
    let characters = 0;
    for (const item of [...items, ...added]) characters += JSON.stringify(item).length;
    if (characters > maxCharacters) throw full(param);
  }

  /** @throws {GatewayError} 404 when it is no longer stored, 400 when it has more than can be stored */
  async change(id: string, change: Change, param?: string): Promise<void> {
    const outcome = await this.#store.append(this.#owner, id, changeLine(change), this.#quota);
    if (outcome === 'absent') throw notFound(id, param);
    if (outcome === 'full') throw full(param ?? 'items');
  }

  /** Adds the input and the output of a response. The caller may wait for it later. */
  addTurn(id: string, items: readonly { readonly type: string; readonly id?: string | null }[]): Promise<void> {
    const added = this.change(id, { items: items as StoredItem[] }, 'conversation');
    // Nobody waits if the client leaves.
    added.catch(() => undefined);
    return added;
  }

  /** @returns true when there was one to delete */
  async delete(id: string): Promise<boolean> {
    return isConversationId(id) && (await this.#store.delete(this.#owner, id));
  }
}

/** True for the form that every conversation's id has. */
function isConversationId(text: string): boolean {
  return /^conv_[\w-]{1,123}$/.test(text);
}

/** @returns the error for a conversation that is not stored */
export function notFound(id: string, param?: string): GatewayError {
  const message = isConversationId(id) ? `Conversation with id '${id}' not found.` : 'Conversation not found.';
  return new GatewayError('not_found', message, { ...(param !== undefined && { param }) });
}

function full(param: string): GatewayError {
  return invalidValue(param, 'The conversation is larger than can be stored. Start another one.');
}
