import type { Message } from '../../../chat/request.ts';
import { GatewayError, invalidValue, quoted } from '../../../errors.ts';
import type { InputEntry } from './input.ts';
import type { Item } from './items.ts';
import { toMessages } from './messages.ts';
import type { ParsedResponse } from './request.ts';
import { History } from './stored/history.ts';
import type { StoredResponses } from './stored/stored-responses.ts';
import { OfferedTools, offerFound } from './tools/index.ts';

/** The items that a request's messages were read from. */
export interface Prompt {
  readonly messages: readonly Message[];
  readonly offered: OfferedTools;
  /** The request's own items. */
  readonly input: readonly Item[];
}

/** Loads the earlier responses. @throws {GatewayError} 400 or 404 for a response or an item that is not stored */
export async function readPrompt(parsed: ParsedResponse, stored: StoredResponses): Promise<Prompt> {
  const { dropped, previousId } = parsed;
  const history = new History(stored);
  const earlier = previousId === undefined ? [] : await history.conversation(previousId);
  const input = await resolveReferences(parsed, history);
  const entries = [...earlier.map((item) => ({ item, path: 'previous_response_id' })), ...input];
  const items = entries.map(({ item }) => item);
  const offered = new OfferedTools();
  for (const tool of parsed.tools.offered) offered.add(tool);
  offerFound(items, offered, dropped);
  const messages = [...parsed.instructions, ...toMessages(entries, offered, dropped)];
  if (messages.length === 0) throw invalidValue('input', 'input contains nothing that can be sent to a model.');
  return { messages, offered, input: input.map(({ item }) => item) };
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

/** @returns undefined for thinking that is not stored. @throws {GatewayError} 404 for any other item that is not */
async function resolveReference(
  { reference, path }: Extract<InputEntry, { reference: string }>,
  history: History,
): Promise<Item | undefined> {
  const item = await history.item(reference);
  if (item !== undefined || reference.startsWith('rs_')) return item;
  const message = `Item with id '${quoted(reference)}' not found. It was not stored or is no longer stored.`;
  throw new GatewayError('not_found', message, { param: `${path}.id` });
}
