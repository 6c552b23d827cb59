import type { JsonObject } from '../../chat/request.ts';
import { isObject } from '../../framing/json.ts';
import type { Budget } from './schema-budget.ts';

/** Merging takes time in proportion to their number times their size. Hand-written schemas have only a few. */
const maxMerged = 16;

/** Groups of keywords whose meaning depends on the others of the group in the same schema. */
const companions: readonly (readonly string[])[] = [
  ['properties', 'patternProperties', 'additionalProperties'],
  ['items', 'prefixItems', 'additionalItems'],
  ['contains', 'minContains', 'maxContains'],
  ['if', 'then', 'else'],
];

/** Keywords that only describe. Those of the referring schema win over those of the schema that it refers to. */
const annotations = new Set(['title', 'default', 'examples', 'deprecated', 'readOnly', 'writeOnly']);

/**
 * Merges `others` into `schema`. Those that cannot be merged stay in its `allOf`.
 *
 * @throws {GatewayError} 400 when the budget is used up
 */
export function allOf(schema: JsonObject, others: readonly unknown[], budget: Budget): JsonObject {
  let result = schema;
  const unmerged: unknown[] = others.slice(maxMerged);
  for (const other of others.slice(0, maxMerged)) {
    const both =
      isObject(other) && (others.length === 1 || !isSealed(other)) ? merged(result, other, budget) : undefined;
    if (both !== undefined) result = both;
    else if (other !== true) unmerged.push(other);
  }
  if (unmerged.length === 0) return result;
  return { ...result, allOf: 'allOf' in result ? [result['allOf'], unmerged].flat() : unmerged };
}

/** Adds `remarks` in brackets to a schema's description. */
export function withRemarks(schema: JsonObject, remarks: readonly string[]): JsonObject {
  if (remarks.length === 0) return schema;
  const { description } = schema;
  const suffix = `(${remarks.join(', ')})`;
  const prefix = typeof description === 'string' && description !== '' ? `${description} ` : '';
  return { ...schema, description: prefix + suffix };
}

/** @returns undefined when the two contradict each other, or when one schema would not mean the same as both */
function merged(first: JsonObject, second: JsonObject, budget: Budget): JsonObject | undefined {
  budget.spend(1);
  if (companions.some((keywords) => collide(first, second, keywords))) return undefined;
  if (isSealed(second) && Object.keys(first).some((key) => !isDescriptive(key))) return undefined;
  const both = new Map(Object.entries(first));
  for (const [key, value] of Object.entries(second)) {
    const mergedValue = both.has(key) ? mergedKeyword(key, [both.get(key), value], budget) : value;
    if (mergedValue === undefined) return undefined;
    both.set(key, mergedValue);
  }
  return Object.fromEntries(both);
}

function collide(first: JsonObject, second: JsonObject, keywords: readonly string[]): boolean {
  const ofFirst = keywords.filter((keyword) => Object.hasOwn(first, keyword));
  const ofSecond = keywords.filter((keyword) => Object.hasOwn(second, keyword));
  if (ofFirst.length === 0 || ofSecond.length === 0) return false;
  return [...ofFirst, ...ofSecond].some((keyword) => keyword !== 'properties');
}

/** True when the schema's meaning depends on every constraint beside it. */
function isSealed(schema: JsonObject): boolean {
  return Object.hasOwn(schema, 'unevaluatedProperties') || Object.hasOwn(schema, 'unevaluatedItems');
}

function isDescriptive(keyword: string): boolean {
  return keyword === 'description' || annotations.has(keyword);
}

function mergedKeyword(
  key: string,
  [first, second]: readonly [first: unknown, second: unknown],
  budget: Budget,
): unknown {
  if (annotations.has(key)) return first;
  if (isEqual(first, second, budget)) return first;
  if (key === 'properties' && isObject(first) && isObject(second)) return mergedProperties(first, second, budget);
  if (key === 'description' && typeof first === 'string' && typeof second === 'string') return `${first} ${second}`;
  if (!Array.isArray(first) || !Array.isArray(second)) return undefined;
  budget.spend(first.length + second.length);
  if (key === 'required') return [...new Set([...first, ...second])];
  return key === 'allOf' ? [first, second].flat() : undefined;
}

function mergedProperties(first: JsonObject, second: JsonObject, budget: Budget): JsonObject {
  const both = new Map(Object.entries(first));
  budget.spend(both.size);
  for (const [name, schema] of Object.entries(second)) {
    budget.spend(1);
    both.set(name, both.has(name) ? allOf({}, [both.get(name), schema], budget) : schema);
  }
  return Object.fromEntries(both);
}

/** Compares JSON, step by step, because each step counts. */
function isEqual(first: unknown, second: unknown, budget: Budget): boolean {
  budget.spend(1);
  if (first === second) return true;
  if (Array.isArray(first) && Array.isArray(second)) {
    return first.length === second.length && first.every((item, index) => isEqual(item, second[index], budget));
  }
  if (!isObject(first) || !isObject(second)) return false;
  const names = Object.keys(first);
  return (
    names.length === Object.keys(second).length &&
    names.every((name) => Object.hasOwn(second, name) && isEqual(first[name], second[name], budget))
  );
}
