import type { JsonObject } from '../../chat/request.ts';
import { isObject } from '../../framing/json.ts';
import type { FieldTable } from '../field-table.ts';

/**
 * Renames the fields of a table that a request spells in snake case, as Google's JSON allows. What is in no table, such as
 * the arguments of a call, stays as it is.
 *
 * @see https://protobuf.dev/programming-guides/json/
 */
export function camelCased(table: FieldTable, value: JsonObject): JsonObject {
  const renamed: Record<string, unknown> = {};
  for (const given in value) {
    const name = nameIn(table, given, value);
    const fields = Object.hasOwn(table, name) ? table[name]?.fields : undefined;
    const inner = value[given];
    renamed[name] = fields === undefined ? inner : camelCasedIn(fields, inner);
  }
  return renamed;
}

function camelCasedIn(table: FieldTable, value: unknown): unknown {
  if (Array.isArray(value)) return value.map((item) => camelCasedIn(table, item));
  return isObject(value) ? camelCased(table, value) : value;
}

function nameIn(table: FieldTable, given: string, value: JsonObject): string {
  if (Object.hasOwn(table, given)) return given;
  const name = toCamelCase(given);
  return Object.hasOwn(table, name) && !Object.hasOwn(value, name) ? name : given;
}

export function toCamelCase(name: string): string {
  return name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
