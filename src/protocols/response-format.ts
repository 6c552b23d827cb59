import type { JsonObject } from '../chat/request.ts';
import { invalidValue } from '../errors.ts';
import { isObject } from '../framing/json.ts';
import { readSchema } from './json-schema.ts';

type Format = 'json' | JsonObject;

const schemaTypes: ReadonlySet<unknown> = new Set([
  'object',
  'array',
  'string',
  'number',
  'integer',
  'boolean',
  'null',
]);
/** Keywords that no description of a format has. */
const schemaKeywords = ['properties', 'items', 'anyOf', 'oneOf', 'allOf', '$ref', 'enum', 'const', '$schema'];

/**
 * Reads the format of an answer in any of the forms that clients send: OpenAI's `json_schema.schema`, the schema beside
 * `type` (the Responses API, older llama.cpp), `json_object` with a schema (llama.cpp, Together), or a schema alone. The
 * name of a schema is not needed.
 *
 * @param path of the format
 * @param schemaPath of the schema in the dialect's own form, for the error when there is none
 * @returns undefined for text
 * @throws {GatewayError} 400 for an unknown type, and for `json_schema` without a schema
 */
export function readFormatObject(format: JsonObject, path: string, schemaPath: string): Format | undefined {
  const { type } = format;
  if (looksLikeSchema(format)) return readSchema(format, path);
  switch (type) {
    case undefined:
    case null:
      return Object.values(format).every((value) => value == null)
        ? undefined
        : requiredSchema(format, path, `${path}.type`);
    case '':
    case 'text':
      return undefined;
    case 'json':
    case 'json_object':
      return schemaIn(format, path) ?? 'json';
    case 'json_schema':
      return requiredSchema(format, path, schemaPath);
    default:
      throw invalidValue(`${path}.type`, `${path}.type must be one of text, json_object, json_schema.`);
  }
}

function looksLikeSchema(value: JsonObject): boolean {
  if (schemaTypes.has(value['type'])) return true;
  return value['type'] === undefined && schemaKeywords.some((keyword) => Object.hasOwn(value, keyword));
}

/** @throws {GatewayError} 400 for `param` when there is no schema */
function requiredSchema(format: JsonObject, path: string, param: string): JsonObject {
  const schema = schemaIn(format, path);
  if (schema === undefined) throw invalidValue(param, `${param} is required.`);
  return schema;
}

function schemaIn(format: JsonObject, path: string): JsonObject | undefined {
  const { json_schema: nested, schema, value } = format;
  if (isObject(nested)) {
    if (nested['schema'] != null) return readSchema(nested['schema'], `${path}.json_schema.schema`);
    if (looksLikeSchema(nested)) return readSchema(nested, `${path}.json_schema`);
  }
  return readSchema(schema, `${path}.schema`) ?? readSchema(value, `${path}.value`);
}
