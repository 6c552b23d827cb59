import type { Message } from '../../../chat/request.ts';
import { invalidValue } from '../../../errors.ts';
import type { Conversation } from '../conversations/conversation.ts';
import { isSummary } from './compaction/item.ts';
import type { Item } from './items.ts';
import { toMessages } from './messages.ts';
import { resolveReference } from './references.ts';
import type { ParsedResponse } from './request.ts';
import { History } from './stored/history.ts';
import type { Stored } from './stored/stored.ts';
import { OfferedTools, offerFound } from './tools/index.ts';

/** The items that a request's messages were read from. */
export interface Prompt {
  readonly messages: readonly Message[];
  readonly offered: OfferedTools;
  /** The request's own items. */
  readonly input: readonly Item[];
  /** The conversation that the request continues. */
  readonly conversation: Conversation | undefined;
}

/** Loads what came earlier. @throws {GatewayError} 400 or 404 for a response, a conversation or an item that is not stored */
export async function readPrompt(parsed: ParsedResponse, stored: Stored): Promise<Prompt> {
  const { dropped, previousId, conversationId } = parsed;
  const history = new History(stored);
  const conversation =
    conversationId === undefined ? undefined : await stored.conversations.get(conversationId, 'conversation');
  const before = conversation === undefined ? [] : history.conversation(conversation, dropped);
  const earlier = previousId === undefined ? before : await history.upTo(previousId);
  const path = conversation === undefined ? 'previous_response_id' : 'conversation';
  const input = await resolveReferences(parsed, history);
  const entries = [...sinceCompaction(earlier).map((item) => ({ item, path })), ...input];
  const items = entries.map(({ item }) => item);
  const offered = new OfferedTools();
  for (const tool of parsed.tools.offered) offered.add(tool);
  offerFound(items, offered, dropped);
  const messages = [...parsed.instructions, ...toMessages(entries, offered, dropped)];
  if (messages.length === 0) throw invalidValue('input', 'input contains nothing that can be sent to a model.');
  return { messages, offered, input: input.map(({ item }) => item), conversation };
}

/** @returns the stored items from the last summary on, which stands for all before it */
function sinceCompaction(items: readonly Item[]): readonly Item[] {
  const last = items.findLastIndex((item) => item.type === 'compaction' && isSummary(item.encrypted_content));
  return last === -1 ? items : items.slice(last);
}

/** Replaces each reference in the input by its item. @throws {GatewayError} 404 for an item that is not stored */
async function resolveReferences(
  { input, dropped }: ParsedResponse,
  history: History,
): Promise<{ readonly item: Item; readonly path: string }[]> {
  const items: { item: Item; path: string }[] = [];
  for (const entry of input) {
    const { path } = entry;
    const item = 'item' in entry ? entry.item : await resolveReference(entry, history);
    // The conversation is the same without earlier thinking.
    if (item === undefined) dropped.add('input.item_reference', true);
    else items.push({ item, path });
  }
  return items;
}
