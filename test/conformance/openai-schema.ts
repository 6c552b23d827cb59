import { fail } from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020, type ErrorObject } from 'ajv/dist/2020.js';

type Schema = Readonly<Record<string, unknown>>;

/**
 * What of OpenAI's published description answers are made of: each schema as it stands there, with all that it refers
 * to. @see https://github.com/openai/openai-openapi
 */
const published: Readonly<Record<string, Schema>> = { ...schemas('schemas.json'), ...schemas('responses.json') };

/** Whole answers, events and errors; the rest of the description is parts of these. */
export type SchemaName =
  | 'CreateChatCompletionResponse'
  | 'CreateChatCompletionStreamResponse'
  | 'CreateCompletionResponse'
  | 'CreateEmbeddingResponse'
  | 'ListModelsResponse'
  | 'Model'
  | 'ErrorResponse'
  | 'Response'
  | 'ResponseItemList';

/** Fields that llamaduct sends beyond the description, which forbids none. Any other is taken for a slip of the pen. */
const extensions: Readonly<Record<string, readonly string[]>> = {
  // Where clients look for the thinking of servers other than OpenAI's.
  ChatCompletionResponseMessage: ['reasoning', 'reasoning_content'],
  ChatCompletionStreamResponseDelta: ['reasoning', 'reasoning_content'],
  // What an operator's client needs to know of a local model.
  Model: ['context_length', 'capabilities'],
  // It can be sent, and the SDKs have it.
  FunctionTool: ['description'],
};

const streamed = '$/properties/choices/items/properties';

/**
 * Where the API sends more than its description says, and what it sends: one schema stands for whole and for streamed
 * completions, and leaves out the nulls of a stream's events and of the first token of an echoed prompt; none stands
 * for the base64 of `encoding_format: "base64"`.
 */
const corrections: Readonly<Record<string, Schema>> = {
  [`CreateCompletionResponse/${streamed}/finish_reason`]: { type: 'null' },
  'CreateCompletionResponse/$/properties/usage': { type: 'null' },
  [`CreateCompletionResponse/${streamed}/logprobs/anyOf/0/properties/token_logprobs/items`]: { type: 'null' },
  [`CreateCompletionResponse/${streamed}/logprobs/anyOf/0/properties/top_logprobs/items`]: { type: 'null' },
  'Embedding/$/properties/embedding': { type: 'string' },
};

const ajv = new Ajv2020({ strict: false, validateFormats: false });
ajv.addSchema(
  {
    components: {
      schemas: Object.fromEntries(
        Object.entries(published).map(([name, schema]) => [name, closed(schema, `${name}/$`)]),
      ),
    },
  },
  'openai',
);

/**
 * Fails unless `value` is what OpenAI's description says of it, with no field that neither it nor `extensions` names.
 *
 * @throws {AssertionError} with the first faults and the value
 */
export function assertMatches(name: SchemaName, value: unknown): void {
  assertIs(name, value);
}

/** The same for an event of a response's stream, by the schema that stands for its `type`. */
export function assertResponseEvent(event: { readonly type: string }): void {
  const name = responseEvents.get(event.type);
  if (name === undefined) fail(`there is no event ${event.type}`);
  assertIs(name, event);
}

const responseEvents = new Map(
  Object.entries(published)
    .filter(([name]) => /^Response.*Event$/.test(name))
    .flatMap(([name, { properties }]) =>
      ((properties as { type: { enum: string[] } }).type.enum ?? []).map((type) => [type, name] as const),
    ),
);

function schemas(file: string): Readonly<Record<string, Schema>> {
  const text = readFileSync(join(import.meta.dirname, '../fixtures/openai', file), 'utf8');
  return (JSON.parse(text) as { components: { schemas: Record<string, Schema> } }).components.schemas;
}

function assertIs(name: string, value: unknown): void {
  const validate = ajv.getSchema(`openai#/components/schemas/${name}`);
  if (validate === undefined) throw new Error(`there is no schema ${name}`);
  if (validate(value) !== true) {
    const faults = (validate.errors ?? []).slice(0, 4).map(inWords).join('; ');
    fail(`not a ${name}: ${faults}\n${JSON.stringify(value, undefined, 2)}`);
  }
}

/** The schema with its objects closed, OpenAPI 3.0's `nullable`, which 3.1 does not know, written out, and corrected. */
function closed(parts: Schema, path: string): Schema {
  const schema = united(parts);
  const { nullable, ...rest } = Object.fromEntries(
    Object.entries(schema).map(([keyword, value]) => [keyword, closedPart(keyword, value, `${path}/${keyword}`)]),
  );
  const open = 'properties' in rest && !('additionalProperties' in rest);
  const strict = open ? { ...rest, additionalProperties: false } : rest;
  const more = [...(nullable === true ? [{ type: 'null' }] : []), ...[corrections[path] ?? []].flat()];
  return more.length > 0 ? { anyOf: [strict, ...more] } : strict;
}

/** Objects in an `allOf` as the one object they are together: closed one by one they would exclude each other. */
function united(schema: Schema): Schema {
  const { allOf, ...rest } = schema;
  if (!Array.isArray(allOf)) return schema;
  const all = allOf.map((part: Schema) =>
    united(typeof part['$ref'] === 'string' ? (published[part['$ref'].split('/').at(-1) ?? ''] ?? {}) : part),
  );
  if (!all.every((part) => 'properties' in part)) return schema;
  return {
    ...rest,
    type: 'object',
    properties: Object.assign({}, ...all.map(({ properties }) => properties)) as Schema,
    required: all.flatMap(({ required }) => (required as string[] | undefined) ?? []),
  };
}

function closedPart(keyword: string, value: unknown, path: string): unknown {
  switch (keyword) {
    case 'properties': {
      const properties = Object.entries(value as Record<string, Schema>);
      const extra = path.endsWith('/$/properties') ? (extensions[path.slice(0, -'/$/properties'.length)] ?? []) : [];
      return Object.fromEntries([
        ...properties.map(([name, schema]) => [name, closed(schema, `${path}/${name}`)] as const),
        ...extra.map((name) => [name, {}] as const),
      ]);
    }
    case 'anyOf':
    case 'oneOf':
    case 'allOf':
      return (value as Schema[]).map((schema, index) => closed(schema, `${path}/${index}`));
    case 'items':
    case 'additionalProperties':
      return typeof value === 'object' ? closed(value as Schema, path) : value;
    default:
      return value;
  }
}

function inWords({ instancePath, message, params }: ErrorObject): string {
  return `${instancePath === '' ? 'it' : instancePath} ${message ?? ''} ${JSON.stringify(params)}`;
}
