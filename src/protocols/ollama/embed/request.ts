import type { EmbeddingsRequest } from '../../../chat/embeddings.ts';
import { invalidValue } from '../../../errors.ts';
import { DroppedFields } from '../../dropped-fields.ts';
import { type Values, readFields } from '../../field-table.ts';
import { defined } from '../../fields.ts';
import { readOptions, type embeddingSettingFields } from '../../settings.ts';
import { readFoldedBody } from '../body.ts';
import { embedFields, legacyEmbeddingsFields } from '../fields.ts';

export interface ParsedEmbed {
  /** Its input is empty when the client sent none, or one empty text: then no backend is needed. */
  readonly request: EmbeddingsRequest;
  /** Fields that have no effect. */
  readonly dropped: readonly string[];
  readonly spellings?: ReadonlyMap<string, string> | undefined;
}

/**
 * Reads the body of a request to `/api/embed`.
 *
 * @throws {GatewayError} 400 with `param` for a field of the wrong type or out of range
 * @see https://docs.ollama.com/api/embed
 */
export function readEmbed(value: unknown): ParsedEmbed {
  const dropped = new DroppedFields();
  const values = readFields(embedFields, readFoldedBody(value), dropped);
  const { dimensions, truncate } = values;
  return {
    request: { ...toCommon(values, dropped), input: readInput(values.input), ...defined({ dimensions, truncate }) },
    ...dropped.report(),
  };
}

/** Reads the body of a request to `/api/embeddings`, which has one text. @throws {GatewayError} 400 with `param` */
export function readLegacyEmbeddings(value: unknown): ParsedEmbed {
  const dropped = new DroppedFields();
  const values = readFields(legacyEmbeddingsFields, readFoldedBody(value), dropped);
  const { prompt = '' } = values;
  return {
    request: { ...toCommon(values, dropped), input: prompt === '' ? [] : [prompt] },
    ...dropped.report(),
  };
}

function toCommon(
  values: Values<typeof embeddingSettingFields>,
  dropped: DroppedFields,
): Omit<EmbeddingsRequest, 'input'> {
  return {
    model: values.model ?? '',
    ...defined({ options: readOptions(values, dropped), keepAlive: values.keep_alive }),
  };
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
