import { type FieldTable, named, raw } from '../../field-table.ts';
import { boolean, oneOf } from '../../fields.ts';
import { embeddingSettingFields, ollamaOptions, readTokenLimit } from '../../settings.ts';
import type { VectorEncoding } from './response.ts';

/** The fields of `POST /v1/embeddings`. */
export const embeddingsFields = {
  ...embeddingSettingFields,
  ...ollamaOptions,
  input: raw,
  encoding_format: { effect: 'any', read: readEncoding, note: '`float` or `base64`, in any case.' },
  dimensions: { effect: 'any', read: readTokenLimit, note: 'Below 1: as many as the model makes.' },
  truncate: { effect: 'ollama', read: boolean, note: 'True: a text that is too long is cut.' },
  user: named,
} as const satisfies FieldTable;

function readEncoding(value: unknown, path: string): VectorEncoding | undefined {
  const word = typeof value === 'string' ? value.toLowerCase() : value;
  return oneOf(word === '' ? undefined : word, path, ['float', 'base64']);
}
