import type { JsonObject } from '../../chat/request.ts';
import { isObject } from '../../framing/json.ts';
import type { FieldTable } from '../field-table.ts';

/**
 * Renames the fields of a table that a request spells in snake case, as Google's JSON allows. What is in no table, such as
 * the arguments of a call, stays as it is. A null is absent, so that it does not hide the other spelling.
 *
 * @see https://protobuf.dev/programming-guides/json/
 */
export function camelCased(table: FieldTable, value: JsonObject): JsonObject {
  // A name such as `__proto__` is one like any other in a map.
  const renamed = new Map<string, unknown>();
  for (const given of Object.keys(value)) {
    const name = nameIn(table, given, value);
    const fields = Object.hasOwn(table, name) ? table[name]?.fields : undefined;
    const inner = value[given];
    if (inner === null && renamed.has(name)) continue;
    renamed.set(name, fields === undefined ? inner : camelCasedIn(fields, inner));
  }
  return Object.fromEntries(renamed);
}

function camelCasedIn(table: FieldTable, value: unknown): unknown {
  if (Array.isArray(value)) return value.map((item) => camelCasedIn(table, item));
  return isObject(value) ? camelCased(table, value) : value;
}

function nameIn(table: FieldTable, given: string, value: JsonObject): string {
  if (Object.hasOwn(table, given)) return given;
  const name = toCamelCase(given);
  return Object.hasOwn(table, name) && value[name] == null ? name : given;
}

export function toCamelCase(name: string): string {
  return name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
