import type { EmbeddingsRequest } from '../../../chat/embeddings.ts';
import type { JsonObject } from '../../../chat/request.ts';
import { invalidValue } from '../../../errors.ts';
import { boolean, integer, optional, readKeepAlive, string } from '../../fields.ts';
import { DroppedFields } from '../../dropped-fields.ts';
import { readFields } from '../body.ts';
import { readGivenOptions } from '../options.ts';

export interface Embed {
  /** Its input is empty where the client sent none, or one empty text: then there is nothing to ask. */
  readonly request: EmbeddingsRequest;
  readonly dropped: readonly string[];
}

const legacyFields = ['model', 'prompt', 'options', 'keep_alive'];
const fieldsOfEmbed = ['model', 'input', 'dimensions', 'truncate', 'options', 'keep_alive'];

/**
 * Reads the body of an embed request.
 *
 * @throws {GatewayError} 400 with `param` for a field of the wrong type or out of range
 * @see https://docs.ollama.com/api/embed
 */
export function readEmbed(body: unknown): Embed {
  const fields = readFields(body);
  return {
    request: {
      ...readCommon(fields),
      input: readInput(fields['input']),
      ...optional('dimensions', readDimensions(fields['dimensions'])),
      ...optional('truncate', boolean(fields['truncate'], 'truncate')),
    },
    dropped: unread(fields, fieldsOfEmbed),
  };
}

/** The same for `/api/embeddings`, which has one text. */
export function readLegacyEmbeddings(body: unknown): Embed {
  const fields = readFields(body);
  const prompt = string(fields['prompt'], 'prompt') ?? '';
  return {
    request: { ...readCommon(fields), input: prompt === '' ? [] : [prompt] },
    dropped: unread(fields, legacyFields),
  };
}

function readCommon(fields: JsonObject): Omit<EmbeddingsRequest, 'input'> {
  const options = readGivenOptions(fields['options']);
  return {
    model: string(fields['model'], 'model') ?? '',
    ...optional('options', Object.keys(options).length > 0 ? options : undefined),
    ...optional('keepAlive', readKeepAlive(fields['keep_alive'])),
  };
}

/** 0 is Ollama's default, as many as the model makes. */
function readDimensions(value: unknown): number | undefined {
  return integer(value, 'dimensions', 0) || undefined;
}

function readInput(value: unknown): string[] {
  if (value == null || value === '') return [];
  if (typeof value === 'string') return [value];
  if (!Array.isArray(value)) throw invalidValue('input', 'input must be a string or an array of strings.');
  return value.map((text: unknown, index) => {
    const path = `input[${index}]`;
    if (typeof text !== 'string') throw invalidValue(path, `${path} must be a string.`);
    if (text === '') throw invalidValue(path, `${path} must not be empty.`);
    return text;
  });
}

function unread(fields: JsonObject, read: readonly string[]): readonly string[] {
  const ledger = new DroppedFields();
  ledger.noteUnread(fields, new Set(read));
  return ledger.dropped;
}
