import { fail } from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020, type ErrorObject } from 'ajv/dist/2020.js';

type Schema = Readonly<Record<string, unknown>>;

/**
 * The schemas of responses from OpenAI's published OpenAPI description, unchanged, with every schema they refer to.
 * @see https://github.com/openai/openai-openapi
 */
const published: Readonly<Record<string, Schema>> = {
  ...schemas('schemas.json'),
  ...schemas('responses.json'),
  ...schemas('conversations.json'),
};

/** The schemas of bodies, events and errors. All others are parts of these. */
export type SchemaName =
  | 'CreateChatCompletionResponse'
  | 'CreateChatCompletionStreamResponse'
  | 'CreateCompletionResponse'
  | 'CreateEmbeddingResponse'
  | 'ListModelsResponse'
  | 'Model'
  | 'ErrorResponse'
  | 'Response'
  | 'ResponseItemList'
  | 'ConversationResource'
  | 'DeletedConversationResource'
  | 'ConversationItemList';

/** Fields that llamaduct sends in addition. The description permits any; the tests take all others for mistakes. */
const extensions: Readonly<Record<string, readonly string[]>> = {
  // The fields in which clients look for the thinking of servers other than OpenAI's.
  ChatCompletionResponseMessage: ['reasoning', 'reasoning_content'],
  ChatCompletionStreamResponseDelta: ['reasoning', 'reasoning_content'],
  // Properties of local models that clients need.
  Model: ['context_length', 'capabilities'],
  // Requests may hold it, and the SDKs have it.
  FunctionTool: ['description'],
  // OpenAI sends it; the description lacks it.
  CustomToolCall: ['status'],
};

/** Required properties that are left out where they are not known, by path of their object. */
const optional: Readonly<Record<string, readonly string[]>> = { 'ResponseUsage/$': ['input_tokens_details'] };

const choiceProperties = '$/properties/choices/items/properties';

/**
 * Schemas of values that the API sends and its description lacks, by path. One schema describes completions, streamed or
 * not, but lacks the nulls of a stream's events and of the first token of an echoed prompt; none describes the base64 of
 * `encoding_format: "base64"`.
 */
const corrections: Readonly<Record<string, Schema>> = {
  [`CreateCompletionResponse/${choiceProperties}/finish_reason`]: { type: 'null' },
  'CreateCompletionResponse/$/properties/usage': { type: 'null' },
  [`CreateCompletionResponse/${choiceProperties}/logprobs/anyOf/0/properties/token_logprobs/items`]: { type: 'null' },
  [`CreateCompletionResponse/${choiceProperties}/logprobs/anyOf/0/properties/top_logprobs/items`]: { type: 'null' },
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
 * Asserts that `value` matches a published schema, and has no field that is neither in it nor in `extensions`.
 *
 * @throws {AssertionError} with the first errors and the value
 */
export function assertMatches(name: SchemaName, value: unknown): void {
  assertIs(name, value);
}

/** Asserts that an event of a response's stream matches the schema of its `type`. @throws {AssertionError} */
export function assertResponseEvent(event: { readonly type: string }): void {
  const name = responseEvents.get(event.type);
  if (name === undefined) fail(`no schema for event ${event.type}`);
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
  if (validate === undefined) throw new Error(`no schema ${name}`);
  if (validate(value) !== true) {
    const errors = (validate.errors ?? []).slice(0, 4).map(describeError).join('; ');
    fail(`not a ${name}: ${errors}\n${JSON.stringify(value, undefined, 2)}`);
  }
}

/**
 * @returns the schema with `additionalProperties: false` on its objects, with `corrections`, and with `anyOf` in place of
 *   OpenAPI 3.0's `nullable`, which JSON Schema does not have
 */
function closed(source: Schema, path: string): Schema {
  const schema = mergeAllOf(source);
  const { nullable, ...entries } = Object.fromEntries(
    Object.entries(schema).map(([keyword, value]) => [keyword, closedPart(keyword, value, `${path}/${keyword}`)]),
  );
  const rest = withoutRequired(entries, optional[path]);
  const isOpen = 'properties' in rest && !('additionalProperties' in rest);
  const strict = isOpen ? { ...rest, additionalProperties: false } : rest;
  const alternatives = [...(nullable === true ? [{ type: 'null' }] : []), ...[corrections[path] ?? []].flat()];
  return alternatives.length > 0 ? { anyOf: [strict, ...alternatives] } : strict;
}

function withoutRequired(schema: Schema, names: readonly string[] = []): Schema {
  const { required } = schema;
  return Array.isArray(required) ? { ...schema, required: required.filter((name) => !names.includes(name)) } : schema;
}

/** @returns the objects of an `allOf` merged into one: closed separately they would exclude each other's properties */
function mergeAllOf(schema: Schema): Schema {
  const { allOf, ...rest } = schema;
  if (!Array.isArray(allOf)) return schema;
  const all = allOf.map((part: Schema) =>
    mergeAllOf(typeof part['$ref'] === 'string' ? (published[part['$ref'].split('/').at(-1) ?? ''] ?? {}) : part),
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
      const additional = path.endsWith('/$/properties')
        ? (extensions[path.slice(0, -'/$/properties'.length)] ?? [])
        : [];
      return Object.fromEntries([
        ...properties.map(([name, schema]) => [name, closed(schema, `${path}/${name}`)] as const),
        ...additional.map((name) => [name, {}] as const),
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

function describeError({ instancePath, message, params }: ErrorObject): string {
  return `${instancePath === '' ? 'it' : instancePath} ${message ?? ''} ${JSON.stringify(params)}`;
}
