import type { TextStore } from '../../../../chat/protocol.ts';
import { StoredConversations } from '../../conversations/stored-conversations.ts';
import { StoredResponses } from './stored-responses.ts';

/** Everything that is stored for one owner. */
export interface Stored {
  readonly responses: StoredResponses;
  readonly conversations: StoredConversations;
}

/** @param quota the quota that stored data counts against. Absent: the owner's */
export function storedFor(store: TextStore, owner: string, quota?: string): Stored {
  return {
    responses: new StoredResponses(store, owner, quota),
    conversations: new StoredConversations(store, owner, quota),
  };
}
