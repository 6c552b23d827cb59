import type { EmbeddingInput } from '../../../chat/embeddings.ts';
import type { EmbeddingsCall } from '../../../chat/protocol.ts';
import { invalidValue } from '../../../errors.ts';
import { DroppedFields } from '../../dropped-fields.ts';
import { readFields } from '../../field-table.ts';
import { defined, readObjectBody } from '../../fields.ts';
import { readOptions } from '../../settings.ts';
import { embeddingsFields } from './fields.ts';
import type { VectorEncoding } from './response.ts';

/** OpenAI's own limit on the texts of one request. */
const maxInputs = 2048;

export interface ParsedEmbeddings {
  readonly request: EmbeddingsCall['request'];
  readonly encoding: VectorEncoding;
  /** Fields that have no effect. */
  readonly dropped: readonly string[];
  readonly spellings?: ReadonlyMap<string, string> | undefined;
}

/**
 * Reads the body of an embeddings request. Besides OpenAI's fields it takes Ollama's own `truncate`, `options` and
 * `keep_alive`, which OpenAI SDKs pass on as extra fields.
 *
 * @throws {GatewayError} 400 with `param` for a field of the wrong type or out of range
 * @see https://platform.openai.com/docs/api-reference/embeddings/create
 */
export function readEmbeddings(value: unknown): ParsedEmbeddings {
  const dropped = new DroppedFields();
  const values = readFields(embeddingsFields, readObjectBody(value), dropped);
  return {
    request: {
      model: values.model ?? '',
      input: readInput(values.input),
      ...defined({
        dimensions: values.dimensions,
        truncate: values.truncate,
        options: readOptions(values, dropped),
        keepAlive: values.keep_alive,
      }),
    },
    encoding: values.encoding_format ?? 'float',
    ...dropped.report(),
  };
}

/** Reads one text, the tokens of one, or a list of both. */
function readInput(input: unknown): EmbeddingInput[] {
  if (input == null) throw invalidValue('input', 'input is required.');
  if (typeof input !== 'string' && !Array.isArray(input)) {
    throw invalidValue('input', 'input must be a string, or an array of strings or of tokens.');
  }
  if (input.length === 0) throw invalidValue('input', 'input must not be empty.');
  if (typeof input === 'string' || typeof input[0] === 'number') return [readOne(input, 'input')];
  if (input.length > maxInputs) throw invalidValue('input', `input must contain at most ${maxInputs} texts.`);
  return input.map((one: unknown, index) => readOne(one, `input[${index}]`));
}

function readOne(input: unknown, path: string): EmbeddingInput {
  if (typeof input !== 'string' && !Array.isArray(input)) {
    throw invalidValue(path, `${path} must be a string, or an array of tokens.`);
  }
  if (input.length === 0) throw invalidValue(path, `${path} must not be empty.`);
  if (typeof input === 'string') return input;
  const fault = input.findIndex((token) => !Number.isInteger(token) || token < 0);
  if (fault >= 0)
    throw invalidValue(`${path}[${fault}]`, `${path}[${fault}] must be a token: a whole number of at least 0.`);
  return input as number[];
}
