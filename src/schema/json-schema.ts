import { createContext, Script } from 'node:vm';
import {
  dereference,
  ignoredKeyword,
  type OutputUnit,
  type Schema,
  type SchemaDraft,
  schemaArrayKeyword,
  schemaKeyword,
  schemaMapKeyword,
  validate,
} from '@cfworker/json-schema';
import type { JsonObject } from '../chat/request.ts';
import { invalidValue } from '../errors.ts';
import { isObject } from '../framing/json.ts';
import { metaSchema } from './meta-schema.ts';

// Schemas come from clients. They are interpreted, never compiled into code, and whatever they make the interpreter do
// (a pattern that backtracks for ever, references that double at every level) ends after `maxTime`.

/** Milliseconds in which nothing else is served. Common schemas take less than one. */
const maxTime = 250;
/** Characters of a schema. */
const maxLength = 256 * 1024;
/** Containers of JSON inside one another. */
const maxDepth = 64;
/** Characters of a regular expression: to compile one takes the square of them, and nothing can end that. */
const maxPattern = 1000;

/**
 * Takes `schema` for a JSON Schema of draft 7 or 2020-12, whatever its `$schema` says.
 *
 * @param param the field that holds it
 * @throws {GatewayError} 400 where it is none, is too large, or refers to what it does not hold
 */
export function checkSchema(schema: JsonObject, param: string): void {
  if (isDeeper(schema, maxDepth)) throw invalidValue(param, `${param} is nested more than ${maxDepth} deep.`);
  if (JSON.stringify(schema).length > maxLength) {
    throw invalidValue(param, `${param} has more than ${maxLength} characters.`);
  }
  const fault = inTime(() => faultOf(schema));
  if (fault === 'failed') throw invalidValue(param, `${param} cannot be read as a JSON Schema.`);
  if (fault.found !== undefined) throw invalidValue(param, `${param} is not a JSON Schema: ${fault.found}.`);
}

/**
 * Checks a finished answer against the schema it was asked to match. Formats count; patterns that JavaScript cannot
 * read as Unicode ones, or of more than 1,000 characters, do not.
 *
 * @returns nothing where `text` is JSON that matches, else why not, without a word of the answer
 */
export function validateAnswer(schema: JsonObject, text: string): string | undefined {
  let answer: unknown;
  try {
    answer = JSON.parse(text);
  } catch {
    return 'it is not JSON';
  }
  const checked = inTime(() => validate(answer, checkable(schema), draftOf(schema)));
  if (checked === 'failed') return 'it cannot be checked against the schema';
  return checked.found.valid ? undefined : reason(checked.found.errors);
}

function reason(errors: readonly OutputUnit[]): string {
  // What encloses a fault is listed before it. The location `false` is the answer's own.
  const fault = errors.find(({ keyword }) => !enclosing.has(keyword)) ?? errors[0];
  return `it breaks ${shortened(fault?.keywordLocation)}`;
}

const metaSchemas = dereference(metaSchema);

const enclosing = new Set(['properties', 'patternProperties', 'items', 'prefixItems', '$ref', 'allOf', 'false']);

function faultOf(schema: JsonObject): string | undefined {
  const { valid, errors } = validate(schema, metaSchema, '2020-12', metaSchemas);
  if (!valid) {
    const places = errors.map(({ instanceLocation }) => instanceLocation);
    return `see ${shortened(places.reduce((deeper, place) => (depthOf(place) > depthOf(deeper) ? place : deeper)))}`;
  }
  const schemas = dereference(checkable(schema));
  for (const each of Object.values(schemas)) {
    if (typeof each === 'object' && each.$ref !== undefined && !((each.__absolute_ref__ ?? each.$ref) in schemas)) {
      return `it does not hold ${shortened(each.$ref)}`;
    }
  }
  return undefined;
}

function depthOf(pointer: string): number {
  return pointer.split('/').length;
}

function draftOf({ $schema }: JsonObject): SchemaDraft {
  return typeof $schema === 'string' && /draft-0[4-7]/.test($schema) ? '7' : '2020-12';
}

const known = new Set([
  ...[schemaKeyword, schemaArrayKeyword, schemaMapKeyword, ignoredKeyword].flatMap((keywords) => Object.keys(keywords)),
  'minContains',
  'maxContains',
  'dependencies',
]);

/**
 * A copy, which the interpreter may mark, without what it would stumble over: it looks for schemas in keywords it does
 * not know, and throws at patterns it cannot read.
 */
function checkable(schema: unknown): Schema {
  if (!isObject(schema)) return schema as Schema;
  return Object.fromEntries(
    Object.entries(schema).flatMap(([keyword, value]) => {
      if (!known.has(keyword) || keyword === 'id' || (keyword === 'pattern' && !isPattern(value))) return [];
      return [[keyword, checkableValue(keyword, value)]];
    }),
  );
}

function checkableValue(keyword: string, value: unknown): unknown {
  if (Array.isArray(value)) return keyword in schemaArrayKeyword ? value.map(checkable) : value;
  if (keyword in schemaKeyword) return checkable(value);
  if (!isObject(value) || !(keyword in schemaMapKeyword || keyword === 'dependencies')) return value;
  const names = Object.entries(value).filter(([name]) => keyword !== 'patternProperties' || isPattern(name));
  return Object.fromEntries(names.map(([name, each]) => [name, checkable(each)]));
}

function isPattern(value: unknown): boolean {
  if (typeof value !== 'string' || value.length > maxPattern) return false;
  try {
    return new RegExp(value, 'u') instanceof RegExp;
  } catch {
    return false;
  }
}

function isDeeper(value: unknown, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return depth === 0 || Object.values(value).some((each) => isDeeper(each, depth - 1));
}

/** Client's text, of a length for a message. */
function shortened(text = ''): string {
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}

const realm = createContext({ work: undefined as (() => void) | undefined });
const script = new Script('work()');

/** What `work` finds, unless it throws or takes longer than `maxTime`. Only a script can be ended from outside. */
function inTime<T>(work: () => T): { readonly found: T } | 'failed' {
  let found: { readonly found: T } | undefined;
  realm['work'] = () => {
    found = { found: work() };
  };
  try {
    script.runInContext(realm, { timeout: maxTime });
  } catch {
    return 'failed';
  } finally {
    realm['work'] = undefined;
  }
  return found ?? 'failed';
}
