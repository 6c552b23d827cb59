import type { EmbeddingsRequest } from '../../../chat/embeddings.ts';
import { GatewayError, invalidValue } from '../../../errors.ts';
import { isObject } from '../../../framing/json.ts';
import { boolean, integer, object, oneOf, optional, readKeepAlive, required, string } from '../../fields.ts';
import { DroppedFields } from '../../dropped-fields.ts';
import type { Encoding } from './response.ts';

/** OpenAI's own cap on the texts of one request. */
const maxInputs = 2048;

const readFields: ReadonlySet<string> = new Set([
  'model',
  'input',
  'encoding_format',
  'dimensions',
  'truncate',
  'options',
  'keep_alive',
]);

/**
 * Reads the body of an embeddings request. Beside OpenAI's fields it takes Ollama's own `truncate`, `options` and
 * `keep_alive`, which OpenAI SDKs pass on as extra fields.
 *
 * @returns `dropped`: the names of the fields that change nothing
 * @throws {GatewayError} 400 with `param` for a field of the wrong type or out of range, and for tokens instead of text
 * @see https://platform.openai.com/docs/api-reference/embeddings/create
 */
export function readEmbeddings(body: unknown): {
  readonly request: EmbeddingsRequest;
  readonly encoding: Encoding;
  readonly dropped: readonly string[];
} {
  if (!isObject(body)) throw new GatewayError('invalid_value', 'The request body must be a JSON object.');
  const ledger = new DroppedFields();
  ledger.noteUnread(body, readFields);
  return {
    request: {
      model: string(body['model'], 'model') ?? '',
      input: readInput(body['input']),
      ...optional('dimensions', integer(body['dimensions'], 'dimensions', 1)),
      ...optional('truncate', boolean(body['truncate'], 'truncate')),
      ...optional('options', object(body['options'], 'options')),
      ...optional('keepAlive', readKeepAlive(body['keep_alive'])),
    },
    encoding: oneOf(body['encoding_format'], 'encoding_format', ['float', 'base64']) ?? 'float',
    dropped: ledger.dropped,
  };
}

function readInput(value: unknown): string[] {
  const input: unknown = required(value ?? undefined, 'input');
  if (typeof input !== 'string' && !Array.isArray(input)) {
    throw invalidValue('input', 'input must be a string or an array of strings.');
  }
  const texts: readonly unknown[] = Array.isArray(input) ? input : [input];
  if (texts.length === 0 || input === '') throw invalidValue('input', 'input must not be empty.');
  // LangChain and others send the ids that OpenAI's own tokenizer gave: to another model they mean other words.
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
