import type { JsonObject } from '../../chat/request.ts';
import { isObject } from '../../framing/json.ts';
import { allOf, described } from './schema-merge.ts';

/** Containers of JSON, and references followed, inside one another. */
const maxDepth = 64;
/** Characters that definitions may add in all: each of them may refer twice to the next. */
const maxInlined = 100_000;

const tooDeep = '(nested too deep to be shown)';

/** They name, version or comment on a schema: without references nothing asks for them. */
const bookkeeping = new Set(
  '$schema $id $vocabulary $comment $anchor $dynamicAnchor $recursiveAnchor $defs definitions'.split(' '),
);
const holdsSchemas = new Set(
  (
    'items prefixItems additionalItems unevaluatedItems contains additionalProperties unevaluatedProperties ' +
    'propertyNames not if then else anyOf oneOf contentSchema'
  ).split(' '),
);
const holdsNamedSchemas = new Set('properties patternProperties dependentSchemas dependencies'.split(' '));

/**
 * A JSON Schema without `$ref`: what a local one points to stands in its place, and `allOf` is merged where no two of
 * its schemas contradict each other. A schema inside itself, and an address, are told in the description instead. The
 * result is at most 64 deep, and longer than `schema` by a bounded length.
 */
export function inlineRefs(schema: JsonObject): JsonObject {
  return new Inliner(schema).inlined;
}

class Inliner {
  readonly inlined: JsonObject;
  readonly #root: JsonObject;
  /** The schemas around the one being read, the outermost first. */
  readonly #around: unknown[] = [];
  readonly #recursive = new Set<unknown>();
  #refs = 0;
  #left = maxInlined;

  constructor(root: JsonObject) {
    this.#root = root;
    this.inlined = this.#object(root, 0);
  }

  /** A schema may be a boolean, and what a client sends in its place may be anything. */
  #schema(schema: unknown, depth: number): unknown {
    return isObject(schema) ? this.#object(schema, depth) : this.#data(schema, depth);
  }

  #object(schema: JsonObject, depth: number): JsonObject {
    if (depth > maxDepth) return { description: tooDeep };
    this.#around.push(schema);
    const own: [string, unknown][] = [];
    const merging: unknown[] = [];
    const elsewhere: string[] = [];
    for (const [key, value] of Object.entries(schema)) {
      this.#charge(key);
      if (key === '$ref' || key === '$dynamicRef' || key === '$recursiveRef') {
        const target = this.#target(value);
        if (target === undefined) elsewhere.push(`${key}: ${JSON.stringify(this.#data(value, depth))}`);
        else merging.push(this.#reference(String(value), target.value, depth));
      } else if (key === 'allOf' && Array.isArray(value)) {
        // Not push(...value): the stack holds some 100,000 arguments.
        for (const each of value) merging.push(this.#schema(each, depth + 2));
      } else if (!bookkeeping.has(key)) {
        own.push([key, this.#keyword(key, value, depth + 1)]);
      }
    }
    this.#around.pop();
    return described(allOf(Object.fromEntries(own), merging), elsewhere);
  }

  #keyword(key: string, value: unknown, depth: number): unknown {
    if (holdsSchemas.has(key)) {
      return Array.isArray(value) ? value.map((each) => this.#schema(each, depth + 1)) : this.#schema(value, depth);
    }
    if (holdsNamedSchemas.has(key) && isObject(value)) {
      return mapValues(value, (each, name) => {
        this.#charge(name);
        return this.#schema(each, depth + 1);
      });
    }
    return this.#data(value, depth);
  }

  /** Any JSON, not as a schema: an object in a `default` may well have a `$ref` of its own. */
  #data(value: unknown, depth: number): unknown {
    this.#charge(typeof value === 'string' ? value : '');
    if (typeof value !== 'object' || value === null) return value;
    if (depth > maxDepth) return tooDeep;
    if (Array.isArray(value)) return value.map((each) => this.#data(each, depth + 1));
    return mapValues(value, (each, name) => {
      this.#charge(name);
      return this.#data(each, depth + 1);
    });
  }

  #reference(ref: string, target: unknown, depth: number): unknown {
    const name = nameOf(ref);
    if (this.#around.includes(target)) {
      this.#recursive.add(target);
      return sameAs(target, `(recursive: ${name} again)`);
    }
    if (this.#left <= 0) return sameAs(target, `(${name}: too long to be repeated)`);
    this.#refs += 1;
    const schema = this.#schema(target, depth + 1);
    this.#refs -= 1;
    return this.#recursive.has(target) && isObject(schema) ? described(schema, [name]) : schema;
  }

  /** @see https://www.rfc-editor.org/rfc/rfc6901#section-6 */
  #target(ref: unknown): { readonly value: unknown } | undefined {
    if (typeof ref !== 'string' || !/^#(\/|$)/.test(ref)) return undefined;
    let value: unknown = this.#root;
    for (const token of tokensOf(ref)) {
      if (typeof value !== 'object' || value === null || !Object.hasOwn(value, token)) return undefined;
      value = (value as JsonObject)[token];
    }
    return isObject(value) || typeof value === 'boolean' ? { value } : undefined;
  }

  #charge(text: string): void {
    if (this.#refs > 0) this.#left -= text.length + 4;
  }
}

/** What can be told of a schema in few words. */
function sameAs(target: unknown, words: string): JsonObject {
  const type = isObject(target) ? target['type'] : undefined;
  return { ...(typeof type === 'string' && { type }), description: words };
}

function nameOf(ref: string): string {
  return tokensOf(ref).at(-1) ?? 'the whole';
}

/** Of a pointer in a fragment: `#/$defs/a~1b` has `$defs` and `a/b`. */
function tokensOf(ref: string): string[] {
  return decoded(ref)
    .split('/')
    .slice(1)
    .map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'));
}

function decoded(fragment: string): string {
  try {
    return decodeURIComponent(fragment);
  } catch {
    return fragment;
  }
}

function mapValues(object: object, map: (value: unknown, key: string) => unknown): JsonObject {
  // fromEntries, not assignment: a property may be named __proto__.
  return Object.fromEntries(Object.entries(object).map(([key, value]) => [key, map(value, key)]));
}
