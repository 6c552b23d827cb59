import type { Metadata } from 'openai/resources/shared';
import { invalidValue } from '../../../errors.ts';
import { object } from '../../fields.ts';

/** OpenAI's own limits; lengths in characters. */
const max = { pairs: 16, key: 64, value: 512 };

/** Reads `metadata`, which the response repeats. @throws {GatewayError} 400 for more or longer pairs than allowed */
export function readMetadata(value: unknown): Metadata {
  const metadata = Object.entries(object(value, 'metadata') ?? {});
  if (metadata.length > max.pairs) throw invalidValue('metadata', `metadata must have at most ${max.pairs} pairs.`);
  for (const [key, text] of metadata) {
    if (key.length > max.key || typeof text !== 'string' || text.length > max.value) {
      throw invalidValue(
        'metadata',
        `metadata keys must have at most ${max.key} characters, and values must be strings of at most ${max.value}.`,
      );
    }
  }
  // Not assigned key by key: a key may be named __proto__.
  return Object.fromEntries(metadata) as Metadata;
}
