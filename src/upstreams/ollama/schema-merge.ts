import { isDeepStrictEqual } from 'node:util';
import type { JsonObject } from '../../chat/request.ts';
import { isObject } from '../../framing/json.ts';

/** Merging costs their number times their size; hand-written ones are a few. */
const maxMerged = 16;

/** What one of these means depends on the others beside it. */
const companions: readonly (readonly string[])[] = [
  ['properties', 'patternProperties', 'additionalProperties'],
  ['items', 'prefixItems', 'additionalItems'],
  ['contains', 'minContains', 'maxContains'],
  ['if', 'then', 'else'],
];

/** What only describes: the schema that refers to another one has the last word. */
const annotations = new Set(['title', 'default', 'examples', 'deprecated', 'readOnly', 'writeOnly']);

/** `schema` and all of `others` as one schema; what cannot be merged into it stays in its `allOf`. */
export function allOf(schema: JsonObject, others: readonly unknown[]): JsonObject {
  let result = schema;
  const apart: unknown[] = others.slice(maxMerged);
  for (const other of others.slice(0, maxMerged)) {
    const both = isObject(other) && (others.length === 1 || !seals(other)) ? merged(result, other) : undefined;
    if (both !== undefined) result = both;
    else if (other !== true) apart.push(other);
  }
  if (apart.length === 0) return result;
  return { ...result, allOf: 'allOf' in result ? [result['allOf'], apart].flat() : apart };
}

/** `schema` with `remarks` in brackets after its description. */
export function described(schema: JsonObject, remarks: readonly string[]): JsonObject {
  if (remarks.length === 0) return schema;
  const { description } = schema;
  const words = `(${remarks.join(', ')})`;
  const before = typeof description === 'string' && description !== '' ? `${description} ` : '';
  return { ...schema, description: before + words };
}

/** Nothing where the two contradict each other, or mean something else together than apart. */
function merged(first: JsonObject, second: JsonObject): JsonObject | undefined {
  if (companions.some((keywords) => collide(first, second, keywords))) return undefined;
  if (seals(second) && Object.keys(first).some((key) => !describes(key))) return undefined;
  const both = new Map(Object.entries(first));
  for (const [key, value] of Object.entries(second)) {
    const one = both.has(key) ? united(key, both.get(key), value) : value;
    if (one === undefined) return undefined;
    both.set(key, one);
  }
  return Object.fromEntries(both);
}

function collide(first: JsonObject, second: JsonObject, keywords: readonly string[]): boolean {
  const mine = keywords.filter((keyword) => Object.hasOwn(first, keyword));
  const theirs = keywords.filter((keyword) => Object.hasOwn(second, keyword));
  if (mine.length === 0 || theirs.length === 0) return false;
  return [...mine, ...theirs].some((keyword) => keyword !== 'properties');
}

/** Whether what it means depends on every constraint beside it. */
function seals(schema: JsonObject): boolean {
  return Object.hasOwn(schema, 'unevaluatedProperties') || Object.hasOwn(schema, 'unevaluatedItems');
}

function describes(keyword: string): boolean {
  return keyword === 'description' || annotations.has(keyword);
}

function united(key: string, first: unknown, second: unknown): unknown {
  if (isDeepStrictEqual(first, second) || annotations.has(key)) return first;
  if (key === 'description' && typeof first === 'string' && typeof second === 'string') return `${first} ${second}`;
  if (key === 'required' && Array.isArray(first) && Array.isArray(second)) return [...new Set([...first, ...second])];
  if (key === 'allOf') return [first, second].flat();
  if (key === 'properties' && isObject(first) && isObject(second)) return unitedProperties(first, second);
  return undefined;
}

function unitedProperties(first: JsonObject, second: JsonObject): JsonObject {
  const both = new Map(Object.entries(first));
  for (const [name, schema] of Object.entries(second)) {
    both.set(name, both.has(name) ? allOf({}, [both.get(name), schema]) : schema);
  }
  return Object.fromEntries(both);
}
