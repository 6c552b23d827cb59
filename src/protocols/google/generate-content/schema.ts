import type { JsonObject } from '../../../chat/request.ts';
import { isObject } from '../../../framing/json.ts';
import { readSchema } from '../../json-schema.ts';
import { toCamelCase } from '../camel-case.ts';

/**
 * Reads Google's `Schema`, which is OpenAPI's: types in upper case, `nullable`, and counts that may be text.
 *
 * @returns a JSON Schema
 * @throws {GatewayError} 400 for anything but an object
 * @see https://ai.google.dev/api/caching#Schema
 */
export function readOpenApiSchema(value: unknown, path: string): JsonObject | undefined {
  return readSchema(toJsonSchema(value), path);
}

const innerSchemas = new Set(['items', 'anyOf', 'oneOf', 'allOf', 'not', 'prefixItems', 'additionalProperties']);
const counts = new Set(['minItems', 'maxItems', 'minLength', 'maxLength', 'minProperties', 'maxProperties']);
/** Keywords that are written here in another way. */
const replaced = new Set(['nullable', 'propertyOrdering']);

function toJsonSchema(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(toJsonSchema);
  if (!isObject(value)) return value;
  const schema: Record<string, unknown> = {};
  for (const given of Object.keys(value)) {
    // Names of properties are below `properties`, so that every name here is a keyword.
    const keyword = toCamelCase(given);
    const converted =
      replaced.has(keyword) || keyword === '__proto__' ? undefined : keywordValue(keyword, value[given]);
    if (converted !== undefined) schema[keyword] = converted;
  }
  const ordering = value['propertyOrdering'] ?? value['property_ordering'];
  if (Array.isArray(ordering) && isObject(schema['properties'])) {
    schema['properties'] = ordered(schema['properties'], ordering);
  }
  return value['nullable'] === true ? nullable(schema) : schema;
}

/** @returns undefined to leave the keyword out */
function keywordValue(keyword: string, value: unknown): unknown {
  if (keyword === 'type') return Array.isArray(value) ? value.map(typeName) : typeName(value);
  if (keyword === 'properties' || keyword === '$defs') return isObject(value) ? mapped(value) : value;
  if (innerSchemas.has(keyword)) return toJsonSchema(value);
  if (counts.has(keyword) && typeof value === 'string') return Number(value);
  // Google's word for a text with a list of values.
  return keyword === 'format' && value === 'enum' ? undefined : value;
}

function typeName(type: unknown): unknown {
  return type === 'TYPE_UNSPECIFIED' ? undefined : typeof type === 'string' ? type.toLowerCase() : type;
}

function mapped(properties: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(properties).map(([name, schema]) => [name, toJsonSchema(schema)]));
}

/** Servers generate properties in the order of the schema. */
function ordered(properties: JsonObject, ordering: readonly unknown[]): JsonObject {
  const first = ordering.filter((name) => typeof name === 'string' && Object.hasOwn(properties, name)) as string[];
  return Object.fromEntries(
    [...new Set([...first, ...Object.keys(properties)])].map((name) => [name, properties[name]]),
  );
}

function nullable(schema: JsonObject): JsonObject {
  const { type, enum: values, anyOf } = schema;
  return {
    ...schema,
    ...(typeof type === 'string' && { type: [type, 'null'] }),
    ...(Array.isArray(values) && { enum: [...(values as unknown[]), null] }),
    ...(Array.isArray(anyOf) && { anyOf: [...(anyOf as unknown[]), { type: 'null' }] }),
  };
}
