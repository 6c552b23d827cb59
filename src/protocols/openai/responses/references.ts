import { GatewayError, quoted } from '../../../errors.ts';
import type { InputEntry } from './input.ts';
import type { Item } from './items.ts';
import type { History } from './stored/history.ts';

/** @returns undefined for thinking that is not stored. @throws {GatewayError} 404 for any other item that is not */
export async function resolveReference(
  { reference, path }: Extract<InputEntry, { reference: string }>,
  history: History,
): Promise<Item | undefined> {
  const item = await history.item(reference);
  if (item !== undefined || reference.startsWith('rs_')) return item;
  const message = `Item with id '${quoted(reference)}' not found. It was not stored or is no longer stored.`;
  throw new GatewayError('not_found', message, { param: `${path}.id` });
}
