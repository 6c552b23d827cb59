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
import { invalidValue, quoted } from '../errors.ts';
import { isObject } from '../framing/json.ts';
import { metaSchema } from './meta-schema.ts';

// Schemas come from clients. They are interpreted, never compiled into code, and validation ends after `maxTime`,
// whatever the schema does (a pattern that backtracks forever, references that double at every level).

/** Milliseconds per validation, which blocks the event loop. Common schemas take less than one. */
const maxTime = 250;
/** Characters of a schema. */
const maxSchemaLength = 256 * 1024;
/** Levels of nested objects and arrays. */
const maxDepth = 64;
/** Characters of a regular expression: compiling takes quadratic time, and nothing can interrupt it. */
const maxPatternLength = 1000;

/**
 * Checks that a client's schema is valid as draft 7 or 2020-12, whatever its `$schema` says.
 *
 * @param param the request field that holds the schema
 * @throws {GatewayError} 400 when it is invalid, too large or too deep, or refers to a schema that it does not contain
 */
export function checkSchema(schema: JsonObject, param: string): void {
  if (isDeeper(schema, maxDepth)) throw invalidValue(param, `${param} is nested more than ${maxDepth} levels deep.`);
  if (JSON.stringify(schema).length > maxSchemaLength) {
    throw invalidValue(param, `${param} has more than ${maxSchemaLength} characters.`);
  }
  const checked = runWithTimeLimit(() => faultOf(schema));
  if (checked === 'failed') throw invalidValue(param, `${param} cannot be read as a JSON Schema.`);
  if (checked.result !== undefined) throw invalidValue(param, `${param} is not a JSON Schema: ${checked.result}.`);
}

/**
 * Validates a complete answer against the schema of its request. Checks formats; ignores patterns that are not valid
 * JavaScript patterns in Unicode mode or are longer than 1,000 characters.
 *
 * @returns undefined when `text` is JSON that matches; otherwise the reason, which contains no text of the answer
 */
export function validateAnswer(schema: JsonObject, text: string): string | undefined {
  let answer: unknown;
  try {
    answer = JSON.parse(text);
  } catch {
    return 'it is not JSON';
  }
  const checked = runWithTimeLimit(() => validate(answer, interpretable(schema), draftOf(schema)));
  if (checked === 'failed') return 'it cannot be checked against the schema';
  return checked.result.valid ? undefined : reason(checked.result.errors);
}

function reason(errors: readonly OutputUnit[]): string {
  // Errors of enclosing keywords precede the error itself. An error of the schema `false` has the answer's location,
  // not its own.
  const fault = errors.find(({ keyword }) => !enclosingKeywords.has(keyword)) ?? errors[0];
  return `it violates ${quoted(fault?.keywordLocation ?? '')}`;
}

const metaSchemas = dereference(metaSchema);

const enclosingKeywords = new Set([
  'properties',
  'patternProperties',
  'items',
  'prefixItems',
  '$ref',
  'allOf',
  'false',
]);

function faultOf(schema: JsonObject): string | undefined {
  const { valid, errors } = validate(schema, metaSchema, '2020-12', metaSchemas);
  if (!valid) {
    const pointers = errors.map(({ instanceLocation }) => instanceLocation);
    return `see ${quoted(pointers.reduce((deepest, next) => (depthOf(next) > depthOf(deepest) ? next : deepest)))}`;
  }
  const schemas = dereference(interpretable(schema));
  for (const part of Object.values(schemas)) {
    if (typeof part === 'object' && part.$ref !== undefined && !((part.__absolute_ref__ ?? part.$ref) in schemas)) {
      return `it does not define ${quoted(part.$ref)}`;
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

const knownKeywords = new Set([
  ...[schemaKeyword, schemaArrayKeyword, schemaMapKeyword, ignoredKeyword].flatMap((keywords) => Object.keys(keywords)),
  'minContains',
  'maxContains',
  'dependencies',
]);

/**
 * Copies a schema for the interpreter, which adds properties to it. Leaves out unknown keywords, in which the
 * interpreter would look for schemas, and patterns that it cannot parse, at which it would throw.
 */
function interpretable(schema: unknown): Schema {
  if (!isObject(schema)) return schema as Schema;
  return Object.fromEntries(
    Object.entries(schema).flatMap(([keyword, value]) => {
      if (!knownKeywords.has(keyword) || keyword === 'id' || (keyword === 'pattern' && !isPattern(value))) return [];
      return [[keyword, interpretableValue(keyword, value)]];
    }),
  );
}

function interpretableValue(keyword: string, value: unknown): unknown {
  if (Array.isArray(value)) return keyword in schemaArrayKeyword ? value.map(interpretable) : value;
  if (keyword in schemaKeyword) return interpretable(value);
  if (!isObject(value) || !(keyword in schemaMapKeyword || keyword === 'dependencies')) return value;
  const entries = Object.entries(value).filter(([name]) => keyword !== 'patternProperties' || isPattern(name));
  return Object.fromEntries(entries.map(([name, part]) => [name, interpretable(part)]));
}

function isPattern(value: unknown): boolean {
  if (typeof value !== 'string' || value.length > maxPatternLength) return false;
  try {
    return new RegExp(value, 'u') instanceof RegExp;
  } catch {
    return false;
  }
}

function isDeeper(value: unknown, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return depth === 0 || Object.values(value).some((child) => isDeeper(child, depth - 1));
}

const context = createContext({ work: undefined as (() => void) | undefined });
const script = new Script('work()');

/**
 * Runs `work` in a script, because only the execution of a script can have a time limit.
 *
 * @returns the result; `failed` when `work` throws or takes longer than `maxTime`
 */
function runWithTimeLimit<T>(work: () => T): { readonly result: T } | 'failed' {
  let completed: { readonly result: T } | undefined;
  context['work'] = () => {
    completed = { result: work() };
  };
  try {
    script.runInContext(context, { timeout: maxTime });
  } catch {
    return 'failed';
  } finally {
    context['work'] = undefined;
  }
  return completed ?? 'failed';
}
