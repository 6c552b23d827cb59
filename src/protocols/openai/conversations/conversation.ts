import type { Metadata } from 'openai/resources/shared';
import type { JsonObject } from '../../../chat/request.ts';

/** An item as the client or the model made it, with all its fields. */
export type StoredItem = JsonObject & { readonly type: string; readonly id: string };

export interface Conversation {
  readonly id: string;
  /** Unix seconds. */
  readonly created: number;
  readonly metadata: Metadata;
  /** The oldest first. No two have the same id. */
  readonly items: readonly StoredItem[];
}

/**
 * A change of a conversation. Conversations are stored as the list of their changes, one JSON line each, so that every change
 * is an addition to the end of a text, and instances that change one conversation at the same time overwrite nothing.
 */
export type Change =
  | { readonly created: number }
  | { readonly metadata: Metadata }
  | { readonly items: readonly StoredItem[] }
  | { readonly deleted: string };

/** @returns the line of a change */
export function changeLine(change: Change): string {
  return `${JSON.stringify(change)}\n`;
}

/** Applies the changes of a stored conversation. */
export function readConversation(id: string, text: string): Conversation {
  let created = 0;
  let metadata: Metadata = {};
  const items = new Map<string, StoredItem>();
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const change = JSON.parse(line) as Change;
    if ('created' in change) created = change.created;
    else if ('metadata' in change) metadata = change.metadata;
    else if ('deleted' in change) items.delete(change.deleted);
    else for (const item of change.items) addItem(items, item);
  }
  return { id, created, metadata, items: [...items.values()] };
}

/** Two changes at the same time may have added items with the same id. Pages could then not be told apart by their last id. */
function addItem(items: Map<string, StoredItem>, item: StoredItem): void {
  let { id } = item;
  for (let number = 2; items.has(id); number += 1) id = `${item.id}_${number}`;
  items.set(id, id === item.id ? item : { ...item, id });
}
