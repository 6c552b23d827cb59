import type { JsonObject } from '../chat/request.ts';
import { invalidValue } from '../errors.ts';
import { isObject } from '../framing/json.ts';

/**
 * Reads a client's JSON Schema, and writes what generators write in other ways as today's drafts do: the booleans of draft 04
 * (`exclusiveMinimum: true`) and 03 (`required: true`), PHP's `[]` for an object without members, and null for an absent
 * keyword. A schema without these stays the same object.
 *
 * @throws {GatewayError} 400 for anything but an object, true or an empty array
 */
export function readSchema(value: unknown, path: string): JsonObject | undefined {
  if (value == null) return undefined;
  if (value === true || isEmptyArray(value)) return {};
  if (!isObject(value)) throw invalidValue(path, `${path} must be a JSON Schema.`);
  return modernized(value);
}

const mapKeywords = new Set(['properties', 'patternProperties', '$defs', 'definitions', 'dependentSchemas']);
const listKeywords = new Set(['anyOf', 'oneOf', 'allOf', 'prefixItems']);
const schemaKeywords = new Set([
  'items',
  'additionalItems',
  'additionalProperties',
  'contains',
  'contentSchema',
  'else',
  'if',
  'not',
  'propertyNames',
  'then',
  'unevaluatedItems',
  'unevaluatedProperties',
]);
/** Keywords whose value may be null. */
const valueKeywords = new Set(['const', 'default', 'example', 'examples', 'enum']);
/** The keyword that a boolean of draft 04 makes exclusive. */
const exclusive: ReadonlyMap<string, string> = new Map([
  ['exclusiveMinimum', 'minimum'],
  ['exclusiveMaximum', 'maximum'],
]);

function modernized(schema: JsonObject): JsonObject {
  const entries = Object.entries(schema);
  const changed = new Map(entries);
  for (const [keyword, value] of entries) {
    const next = keywordValue(schema, keyword, value);
    if (next === undefined) changed.delete(keyword);
    else changed.set(keyword, next);
  }
  for (const [boolean, bound] of exclusive) if (schema[boolean] === true) changed.delete(bound);
  const required = requiredProperties(schema);
  if (required !== undefined) changed.set('required', required);
  const isSame = changed.size === entries.length && entries.every(([keyword, value]) => changed.get(keyword) === value);
  return isSame ? schema : Object.fromEntries(changed);
}

/** @returns undefined to leave the keyword out */
function keywordValue(schema: JsonObject, keyword: string, value: unknown): unknown {
  if (value === null) return valueKeywords.has(keyword) ? value : undefined;
  const bound = exclusive.get(keyword);
  if (bound !== undefined && typeof value === 'boolean') return value ? (schema[bound] ?? undefined) : undefined;
  if (keyword === 'required') return requiredValue(value);
  if (mapKeywords.has(keyword)) return isEmptyArray(value) ? {} : mapOf(value);
  if (listKeywords.has(keyword)) return isEmptyArray(value) ? undefined : listOf(value);
  if (!schemaKeywords.has(keyword)) return value;
  return isEmptyArray(value) ? {} : schemaOf(value);
}

/** A boolean belongs to the schema around it. */
function requiredValue(value: unknown): unknown {
  if (typeof value === 'boolean') return undefined;
  return isObject(value) && Object.keys(value).length === 0 ? [] : value;
}

function schemaOf(value: unknown): unknown {
  if (Array.isArray(value)) return listOf(value);
  return isObject(value) ? modernized(value) : value;
}

function mapOf(value: unknown): unknown {
  if (!isObject(value)) return value;
  const entries = Object.entries(value).map(([name, schema]) => [name, isEmptyArray(schema) ? {} : schemaOf(schema)]);
  return entries.every(([name, schema]) => value[name as string] === schema) ? value : Object.fromEntries(entries);
}

function listOf(value: unknown): unknown {
  if (!Array.isArray(value)) return value;
  const schemas = value.map((schema: unknown) => (isEmptyArray(schema) ? {} : schemaOf(schema)));
  return schemas.every((schema, index) => schema === value[index]) ? value : schemas;
}

/** @returns the list with the properties that say `required: true` themselves; undefined if none does */
function requiredProperties({ properties, required }: JsonObject): unknown[] | undefined {
  if (!isObject(properties)) return undefined;
  const own = Object.entries(properties).filter(([, schema]) => isObject(schema) && schema['required'] === true);
  if (own.length === 0) return undefined;
  const listed: readonly unknown[] = Array.isArray(required) ? required : [];
  return [...new Set([...listed, ...own.map(([name]) => name)])];
}

function isEmptyArray(value: unknown): boolean {
  return Array.isArray(value) && value.length === 0;
}
