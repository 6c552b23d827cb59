import type { Metadata } from 'openai/resources/shared';
import { invalidValue } from '../../../errors.ts';
import { isObject } from '../../../framing/json.ts';
import type { DroppedFields } from '../../dropped-fields.ts';

/** OpenAI's own limits; lengths in characters. */
const max = { pairs: 16, key: 64, value: 512 };

/** Reads `metadata`, which the response repeats. @throws {GatewayError} 400 for more or longer pairs than allowed */
export function readMetadata(value: unknown, dropped: DroppedFields): Metadata {
  if (!isObject(value)) {
    dropped.add('metadata', value);
    return {};
  }
  const pairs = Object.entries(value);
  if (pairs.length > max.pairs) throw invalidValue('metadata', `metadata must have at most ${max.pairs} pairs.`);
  const metadata = pairs.map(([key, data]) => [key, typeof data === 'string' ? data : JSON.stringify(data)] as const);
  if (metadata.some(([key, text]) => isLonger(key, max.key) || isLonger(text, max.value))) {
    throw invalidValue(
      'metadata',
      `metadata keys must have at most ${max.key} characters, and values at most ${max.value}.`,
    );
  }
  // Not assigned key by key: a key may be named __proto__.
  return Object.fromEntries(metadata);
}

/** Counts as OpenAI does: an emoji is one character. */
function isLonger(text: string, characters: number): boolean {
  // A character is at most two UTF-16 code units, so the text that is split is short.
  return text.length > characters && (text.length > 2 * characters || Array.from(text).length > characters);
}
