import type { EmbeddingsRequest } from '../../../chat/embeddings.ts';
import type { JsonObject } from '../../../chat/request.ts';
import { invalidValue } from '../../../errors.ts';
import { DroppedFields } from '../../dropped-fields.ts';
import { boolean, defined, integer, string } from '../../fields.ts';
import { readKeepAlive } from '../../shared-fields.ts';
import { readFoldedBody } from '../body.ts';
import { readPresentOptions } from '../options.ts';

export interface ParsedEmbed {
  /** Its input is empty when the client sent none, or one empty text: then no backend is needed. */
  readonly request: EmbeddingsRequest;
  /** Fields that have no effect. */
  readonly dropped: readonly string[];
}

const embedFields: ReadonlySet<string> = new Set(['model', 'input', 'dimensions', 'truncate', 'options', 'keep_alive']);
const legacyFields: ReadonlySet<string> = new Set(['model', 'prompt', 'options', 'keep_alive']);

/**
 * Reads the body of a request to `/api/embed`.
 *
 * @throws {GatewayError} 400 with `param` for a field of the wrong type or out of range
 * @see https://docs.ollama.com/api/embed
 */
export function readEmbed(value: unknown): ParsedEmbed {
  const body = readFoldedBody(value);
  return {
    request: {
      ...readCommon(body),
      input: readInput(body['input']),
      ...defined({
        // 0 is Ollama's default: as many as the model makes.
        dimensions: integer(body['dimensions'], 'dimensions', 0) || undefined,
        truncate: boolean(body['truncate'], 'truncate'),
      }),
    },
    dropped: unknownFields(body, embedFields),
  };
}

/** Reads the body of a request to `/api/embeddings`, which has one text. @throws {GatewayError} 400 with `param` */
export function readLegacyEmbeddings(value: unknown): ParsedEmbed {
  const body = readFoldedBody(value);
  const prompt = string(body['prompt'], 'prompt') ?? '';
  return {
    request: { ...readCommon(body), input: prompt === '' ? [] : [prompt] },
    dropped: unknownFields(body, legacyFields),
  };
}

function readCommon(body: JsonObject): Omit<EmbeddingsRequest, 'input'> {
  const options = readPresentOptions(body['options']);
  return {
    model: string(body['model'], 'model') ?? '',
    ...(Object.keys(options).length > 0 && { options }),
    ...defined({ keepAlive: readKeepAlive(body['keep_alive']) }),
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

function unknownFields(body: JsonObject, known: ReadonlySet<string>): readonly string[] {
  const dropped = new DroppedFields();
  dropped.addUnknown(body, known);
  return [...dropped.names];
}
