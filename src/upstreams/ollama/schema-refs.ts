import type { JsonObject } from '../../chat/request.ts';
import { isObject, textIn } from '../../framing/json.ts';
import type { Budget } from './schema-budget.ts';
import { allOf, withRemarks } from './schema-merge.ts';

/** Nesting of objects, arrays and followed references. */
const maxDepth = 64;
/** Characters that the references in one schema may add: definitions that each refer twice to the next would add 2^n. */
const maxInlined = 100_000;

const tooDeep = '(nested too deep to be shown)';

/** Keywords that name, version or comment on a schema. They have no meaning in a schema without references. */
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
 * Replaces each local `$ref` of a JSON Schema by the schema that it points to, and merges `allOf` when its schemas do not
 * contradict each other. For recursive references and for addresses, the description gets a remark instead.
 *
 * @returns a schema at most 64 deep, which is longer than `schema` by a bounded length; the same one for the same `schema`
 * @throws {GatewayError} 400 when the budget is used up
 */
export function inlineRefs(schema: JsonObject, budget: Budget): JsonObject {
  const known = inlinedSchemas.get(schema);
  if (known !== undefined) return known;
  const { inlined } = new Inliner(schema, budget);
  inlinedSchemas.set(schema, inlined);
  return inlined;
}

/** A request is translated again for each choice and each attempt. */
const inlinedSchemas = new WeakMap<JsonObject, JsonObject>();

class Inliner {
  readonly inlined: JsonObject;
  readonly #root: JsonObject;
  readonly #budget: Budget;
  /** The schemas that contain the current one, the outermost first. */
  readonly #ancestors: unknown[] = [];
  readonly #recursive = new Set<unknown>();
  /** References that are being followed. */
  #openRefs = 0;
  #charactersLeft = maxInlined;

  constructor(root: JsonObject, budget: Budget) {
    this.#root = root;
    this.#budget = budget;
    this.inlined = this.#object(root, 0);
  }

  /** @param schema an object or a boolean, or anything that a client sends instead */
  #schema(schema: unknown, depth: number): unknown {
    return isObject(schema) ? this.#object(schema, depth) : this.#data(schema, depth);
  }

  #object(schema: JsonObject, depth: number): JsonObject {
    if (depth > maxDepth) return { description: tooDeep };
    this.#ancestors.push(schema);
    const keywords: [string, unknown][] = [];
    const merging: unknown[] = [];
    const remarks: string[] = [];
    for (const [key, value] of Object.entries(schema)) {
      this.#countInlined(key);
      if (key === '$ref' || key === '$dynamicRef' || key === '$recursiveRef') {
        const target = this.#target(value);
        if (target === undefined) remarks.push(`${key}: ${JSON.stringify(this.#data(value, depth))}`);
        else merging.push(this.#reference(String(value), target.value, depth));
      } else if (key === 'allOf' && Array.isArray(value)) {
        // Not push(...value): about 100,000 arguments overflow the stack.
        for (const part of value) merging.push(this.#schema(part, depth + 2));
      } else if (!bookkeeping.has(key)) {
        keywords.push([key, this.#keyword(key, value, depth + 1)]);
      }
    }
    this.#ancestors.pop();
    return withRemarks(allOf(Object.fromEntries(keywords), merging, this.#budget), remarks);
  }

  #keyword(key: string, value: unknown, depth: number): unknown {
    if (holdsSchemas.has(key)) {
      return Array.isArray(value)
        ? value.map((element) => this.#schema(element, depth + 1))
        : this.#schema(value, depth);
    }
    if (holdsNamedSchemas.has(key) && isObject(value)) {
      return mapValues(value, (member, name) => {
        this.#countInlined(name);
        return this.#schema(member, depth + 1);
      });
    }
    return this.#data(value, depth);
  }

  /** Copies JSON that is not a schema. A `$ref` in it, for example in a `default`, is not a reference. */
  #data(value: unknown, depth: number): unknown {
    this.#countInlined(textIn(value));
    if (typeof value !== 'object' || value === null) return value;
    if (depth > maxDepth) return tooDeep;
    if (Array.isArray(value)) return value.map((element) => this.#data(element, depth + 1));
    return mapValues(value, (member, name) => {
      this.#countInlined(name);
      return this.#data(member, depth + 1);
    });
  }

  #reference(ref: string, target: unknown, depth: number): unknown {
    const name = nameOf(ref);
    if (this.#ancestors.includes(target)) {
      this.#recursive.add(target);
      return summaryOf(target, `(recursive: ${name} again)`);
    }
    if (this.#charactersLeft <= 0) return summaryOf(target, `(${name}: too long to be repeated)`);
    this.#openRefs += 1;
    const schema = this.#schema(target, depth + 1);
    this.#openRefs -= 1;
    return this.#recursive.has(target) && isObject(schema) ? withRemarks(schema, [name]) : schema;
  }

  /**
   * @returns the schema that a local reference points to
   * @see https://www.rfc-editor.org/rfc/rfc6901#section-6
   */
  #target(ref: unknown): { readonly value: unknown } | undefined {
    if (typeof ref !== 'string' || !/^#(\/|$)/.test(ref)) return undefined;
    let value: unknown = this.#root;
    for (const token of tokensOf(ref)) {
      if (typeof value !== 'object' || value === null || !Object.hasOwn(value, token)) return undefined;
      value = (value as JsonObject)[token];
    }
    return isObject(value) || typeof value === 'boolean' ? { value } : undefined;
  }

  /** @param text that is copied; its length counts only within a reference */
  #countInlined(text: string): void {
    this.#budget.spend(1);
    if (this.#openRefs === 0) return;
    const characters = text.length + 4;
    this.#charactersLeft -= characters;
    this.#budget.add(characters);
  }
}

/** Stands for a schema that is not repeated: its type, if it has one, and a description. */
function summaryOf(target: unknown, description: string): JsonObject {
  const type = isObject(target) ? target['type'] : undefined;
  return { ...(typeof type === 'string' && { type }), description };
}

function nameOf(ref: string): string {
  return tokensOf(ref).at(-1) ?? 'the whole';
}

/** The tokens of a JSON pointer in a URI fragment: `#/$defs/a~1b` has `$defs` and `a/b`. */
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
