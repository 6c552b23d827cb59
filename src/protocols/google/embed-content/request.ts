import type { EmbeddingsCall } from '../../../chat/protocol.ts';
import { invalidValue } from '../../../errors.ts';
import { isObject } from '../../../framing/json.ts';
import { DroppedFields } from '../../dropped-fields.ts';
import { type Values, readFields } from '../../field-table.ts';
import { defined, object, readObjectBody, required } from '../../fields.ts';
import { readOptions, readTokenLimit } from '../../settings.ts';
import { camelCased } from '../camel-case.ts';
import { partsOf } from '../parts-of.ts';
import { batchEmbedContentsFields, embedContentFields } from './fields.ts';

type ParsedEmbedding = Pick<EmbeddingsCall, 'request' | 'dropped' | 'spellings'>;
type Settings = Pick<Values<typeof embedContentFields>, 'model' | 'options' | 'keep_alive'>;

/** Contents of one request. OpenAI's limit; Google's own is 100. */
const maxContents = 2048;

/**
 * Reads the body of a request for the vector of one content, into which the model of the path was put.
 *
 * @throws {GatewayError} 400 with `param` for a field of the wrong type, and for a content without text
 * @see https://ai.google.dev/api/embeddings#method:-models.embedcontent
 */
export function readEmbedContent(value: unknown): ParsedEmbedding {
  const dropped = new DroppedFields();
  const values = readFields(embedContentFields, camelCased(embedContentFields, readObjectBody(value)), dropped);
  return embedding(values, [textOf(values.content, 'content')], values.outputDimensionality, dropped);
}

/**
 * Reads the body of a request for several vectors of one model.
 *
 * @throws {GatewayError} 400 with `param` as `readEmbedContent`, and for requests that differ in model or dimensions
 * @see https://ai.google.dev/api/embeddings#method:-models.batchembedcontents
 */
export function readBatchEmbedContents(value: unknown): ParsedEmbedding {
  const dropped = new DroppedFields();
  const body = camelCased(batchEmbedContentsFields, readObjectBody(value));
  const values = readFields(batchEmbedContentsFields, body, dropped);
  const requests = values.requests ?? [];
  if (requests.length === 0) throw invalidValue('requests', 'requests must have at least one request.');
  if (requests.length > maxContents) {
    throw invalidValue('requests', `requests must have at most ${maxContents} requests.`);
  }
  const read = requests.map((request, index) => readOne(request, `requests[${index}]`, values.model));
  const dimensions = read[0]?.dimensions;
  const other = read.findIndex((one) => one.dimensions !== dimensions);
  if (other !== -1) {
    const path = `requests[${other}].outputDimensionality`;
    throw invalidValue(path, `${path} must be the same in all requests.`);
  }
  const texts = read.map(({ text }) => text);
  return embedding(values, texts, dimensions, dropped);
}

function readOne(
  value: unknown,
  path: string,
  model: string | undefined,
): { readonly text: string; readonly dimensions: number | undefined } {
  const request = required(object, value, path);
  const named = request['model'];
  if (named != null && model !== undefined && named !== model && named !== `models/${model}`) {
    throw invalidValue(`${path}.model`, `${path}.model must be the model in the path.`);
  }
  return {
    text: textOf(request['content'], `${path}.content`),
    dimensions: readTokenLimit(request['outputDimensionality'], `${path}.outputDimensionality`),
  };
}

/** @throws {GatewayError} 400 for a content without text, and for one with anything else */
function textOf(content: unknown, path: string): string {
  const texts = partsOf(content).map((part, index) => {
    const text = isObject(part) ? part['text'] : part;
    if (typeof text === 'string') return text;
    throw invalidValue(
      `${path}.parts[${index}]`,
      `${path}.parts[${index}] must have a text: only texts are embedded here.`,
    );
  });
  const text = texts.join('\n');
  if (text === '') throw invalidValue(path, `${path} must have a text that is not empty.`);
  return text;
}

function embedding(
  values: Settings,
  input: readonly string[],
  dimensions: number | undefined,
  dropped: DroppedFields,
): ParsedEmbedding {
  const { model = '', keep_alive: keepAlive } = values;
  dropped.spell('dimensions', 'outputDimensionality');
  const request = { model, input, ...defined({ dimensions, options: readOptions(values, dropped), keepAlive }) };
  return { request, ...dropped.report() };
}
