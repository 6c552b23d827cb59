import type { EmbeddingsRequest } from '../../../chat/embeddings.ts';
import { invalidValue } from '../../../errors.ts';
import { DroppedFields } from '../../dropped-fields.ts';
import { boolean, defined, integer, object, oneOf, readObjectBody, string } from '../../fields.ts';
import { readKeepAlive } from '../../shared-fields.ts';
import type { VectorEncoding } from './response.ts';

/** OpenAI's own limit on the texts of one request. */
const maxInputs = 2048;

const knownFields: ReadonlySet<string> = new Set([
  'model',
  'input',
  'encoding_format',
  'dimensions',
  'truncate',
  'options',
  'keep_alive',
]);

export interface ParsedEmbeddings {
  readonly request: EmbeddingsRequest;
  readonly encoding: VectorEncoding;
  /** Fields that have no effect. */
  readonly dropped: readonly string[];
}

/**
 * Reads the body of an embeddings request. Besides OpenAI's fields it takes Ollama's own `truncate`, `options` and
 * `keep_alive`, which OpenAI SDKs pass on as extra fields.
 *
 * @throws {GatewayError} 400 with `param` for a field of the wrong type or out of range, and for tokens instead of text
 * @see https://platform.openai.com/docs/api-reference/embeddings/create
 */
export function readEmbeddings(value: unknown): ParsedEmbeddings {
  const body = readObjectBody(value);
  const dropped = new DroppedFields();
  dropped.addUnknown(body, knownFields);
  return {
    request: {
      model: string(body['model'], 'model') ?? '',
      input: readInput(body['input']),
      ...defined({
        dimensions: integer(body['dimensions'], 'dimensions', 1),
        truncate: boolean(body['truncate'], 'truncate'),
        options: object(body['options'], 'options'),
        keepAlive: readKeepAlive(body['keep_alive']),
      }),
    },
    encoding: oneOf(body['encoding_format'], 'encoding_format', ['float', 'base64']) ?? 'float',
    dropped: [...dropped.names],
  };
}

function readInput(input: unknown): string[] {
  if (input == null) throw invalidValue('input', 'input is required.');
  if (typeof input !== 'string' && !Array.isArray(input)) {
    throw invalidValue('input', 'input must be a string or an array of strings.');
  }
  const texts: readonly unknown[] = Array.isArray(input) ? input : [input];
  if (texts.length === 0 || input === '') throw invalidValue('input', 'input must not be empty.');
  // LangChain and others send the token IDs of OpenAI's own tokenizer, which stand for other words in other models.
  if (texts.some((text) => typeof text === 'number' || Array.isArray(text))) {
    throw invalidValue('input', 'input contains token IDs, which differ between models. Send the text itself.');
  }
  if (texts.length > maxInputs) throw invalidValue('input', `input must contain at most ${maxInputs} texts.`);
  return texts.map((text, index) => readText(text, `input[${index}]`));
}

function readText(text: unknown, path: string): string {
  if (typeof text !== 'string') throw invalidValue(path, `${path} must be a string.`);
  if (text === '') throw invalidValue(path, `${path} must not be empty.`);
  return text;
}
