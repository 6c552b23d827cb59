import type { JsonObject } from '../chat/request.ts';
import { exactNumber, isObject } from '../framing/json.ts';
import { grammarPattern } from './grammar-pattern.ts';

/** A schema that llama.cpp can turn into a grammar, and the keywords that it had to lose for it. */
interface GrammarSchema {
  readonly schema: JsonObject;
  readonly dropped: readonly string[];
}

/** Repetitions of one rule: llama.cpp refuses 2,000, and fewer where they are nested. */
const maxRepetitions = 1_000;

/** Characters of all patterns of a request that are rewritten: 50 ms of work. */
const maxPatternCharacters = 100_000;

/** Limits the work on the patterns in all schemas of one request. Patterns beyond the limit are left out. */
export class PatternBudget {
  #left = maxPatternCharacters;

  /** @returns true if there is enough left for a pattern */
  spend({ length }: string): boolean {
    this.#left -= length;
    return this.#left >= 0;
  }
}

/** A request is translated again for each choice and each attempt. */
const known = new WeakMap<JsonObject, GrammarSchema>();

/**
 * Rewrites and simplifies a JSON Schema that llama.cpp cannot turn into a grammar: patterns with escapes, huge lengths,
 * keywords with values of another type. Some of them crash a server. A schema without any of that is returned as it is.
 *
 * @param patterns the budget of the request. Absent: this is the only schema
 */
export function grammarSchema(schema: JsonObject, patterns = new PatternBudget()): GrammarSchema {
  const before = known.get(schema);
  if (before !== undefined) return before;
  const dropped = new Set<string>();
  const safe = visit(schema, { dropped, patterns }) as JsonObject;
  const result = { schema: safe, dropped: [...dropped] };
  known.set(schema, result);
  return result;
}

/** The schema for any value: boolean schemas are not supported. */
const anyValue = { type: ['string', 'number', 'boolean', 'object', 'array', 'null'] };

interface Context {
  /** The keywords that were left out. */
  readonly dropped: Set<string>;
  readonly patterns: PatternBudget;
}

/** @returns the keyword's value for a grammar; undefined to leave the keyword out */
type Keyword = (value: unknown, visit: Context) => unknown;

const remaining = (isSupported: (value: unknown) => boolean, name: string): Keyword => {
  return (value, context) => {
    if (isSupported(value)) return value;
    context.dropped.add(name);
    return undefined;
  };
};
const repetitions = (name: string): Keyword =>
  remaining((value) => {
    const count = exactNumber(value);
    return count !== undefined && Number.isInteger(count) && count >= 0 && count <= maxRepetitions;
  }, name);
const bound = (name: string): Keyword =>
  remaining(
    (value) => typeof value === 'boolean' || Math.abs(exactNumber(value) ?? Infinity) <= Number.MAX_SAFE_INTEGER,
    name,
  );
const alternatives = (name: string): Keyword => {
  return (value, context) => {
    const schemas = Array.isArray(value) ? value.filter((schema) => schema !== false) : [];
    if (schemas.length > 0)
      return visitList(schemas.length === (value as unknown[]).length ? (value as unknown[]) : schemas, context);
    context.dropped.add(name);
    return undefined;
  };
};

/** The keywords that llama.cpp reads. It ignores all others. */
const keywords: Readonly<Record<string, Keyword>> = {
  pattern(value, context) {
    const pattern = typeof value === 'string' && context.patterns.spend(value) ? grammarPattern(value) : undefined;
    if (pattern === undefined) context.dropped.add('pattern');
    return pattern;
  },
  format: remaining((value) => typeof value === 'string', 'format'),
  minLength: repetitions('minLength'),
  maxLength: repetitions('maxLength'),
  minItems: repetitions('minItems'),
  maxItems: repetitions('maxItems'),
  minimum: bound('minimum'),
  maximum: bound('maximum'),
  exclusiveMinimum: bound('exclusiveMinimum'),
  exclusiveMaximum: bound('exclusiveMaximum'),
  enum: remaining((value) => Array.isArray(value) && value.length > 0, 'enum'),
  anyOf: alternatives('anyOf'),
  oneOf: alternatives('oneOf'),
  allOf: alternatives('allOf'),
  prefixItems: alternatives('prefixItems'),
  properties: visitMap,
  $defs: visitMap,
  definitions: visitMap,
  // Without the keyword any item is allowed. A tuple has no more items than it lists.
  items: (value, context) => (typeof value === 'boolean' ? undefined : visit(value, context)),
  additionalProperties: (value, context) => (isObject(value) ? visit(value, context) : value),
};

function visit(schema: unknown, context: Context): unknown {
  if (schema === true) return anyValue;
  if (Array.isArray(schema)) return visitList(schema, context);
  if (!isObject(schema)) return schema;
  return mapped(schema, (value, name) => (Object.hasOwn(keywords, name) ? keywords[name]?.(value, context) : value));
}

function visitList(schemas: readonly unknown[], context: Context): readonly unknown[] {
  const visited = schemas.map((schema) => visit(schema, context));
  return visited.every((schema, index) => schema === schemas[index]) ? schemas : visited;
}

/** A property that no value matches is left out. */
function visitMap(schemas: unknown, context: Context): unknown {
  if (!isObject(schemas)) return schemas;
  return mapped(schemas, (schema) => (schema === false ? undefined : visit(schema, context)));
}

/** @returns the object itself if no member changes */
function mapped(object: JsonObject, change: (value: unknown, name: string) => unknown): JsonObject {
  let isSame = true;
  const members: [string, unknown][] = [];
  for (const [name, value] of Object.entries(object)) {
    const changed = change(value, name);
    if (changed !== value) isSame = false;
    if (changed !== undefined) members.push([name, changed]);
  }
  return isSame ? object : Object.fromEntries(members);
}
