import { randomBytes } from 'node:crypto';

/**
 * An id for a tool call that no other call of the response has.
 *
 * @param given the upstream's id; a new one replaces it when it is missing or in use
 * @param used the ids of the response so far; the returned id is added
 */
export function uniqueCallId(given: unknown, used: Set<string>): string {
  const id = typeof given === 'string' && given !== '' && !used.has(given) ? given : newCallId();
  used.add(id);
  return id;
}

export function newCallId(): string {
  return `call_${randomBytes(12).toString('hex')}`;
}
