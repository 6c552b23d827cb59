import { isObject } from '../../src/framing/json.ts';

/**
 * The part of a tool's parameters that Ollama reads and writes into the prompt, as Go's encoding/json decodes it into
 * Ollama's types: field names match case-insensitively, unknown fields are dropped.
 *
 * @throws {TypeError} for a field of another type, for which Ollama answers 400
 *
 * @see https://pkg.go.dev/github.com/ollama/ollama@v0.17.4/api#ToolFunctionParameters
 */
export function received(parameters: unknown): Readonly<Record<string, unknown>> {
  const {
    type = '',
    properties = null,
    ...rest
  } = decoded(parameters, {
    type: string,
    $defs: any,
    items: any,
    required: strings,
    properties: propertiesMap,
  });
  return { type, ...rest, properties };
}

type Read = (value: unknown) => unknown;

function decoded(value: unknown, fields: Readonly<Record<string, Read>>): Readonly<Record<string, unknown>> {
  if (value === null) return {};
  if (!isObject(value)) throw new TypeError(`cannot unmarshal ${JSON.stringify(value)} into a struct`);
  const read = new Map<string, unknown>();
  for (const [key, each] of Object.entries(value)) {
    const name = Object.keys(fields).find((field) => field.toLowerCase() === key.toLowerCase());
    if (name !== undefined && each !== null) read.set(name, fields[name]?.(each));
  }
  // omitempty
  const filled = [...read].filter(([name, each]) => each !== '' && (name === 'items' || !isEmptyArray(each)));
  return Object.fromEntries(filled);
}

function property(value: unknown): unknown {
  return decoded(value, {
    anyOf: (all) => array(all).map(property),
    type: propertyType,
    items: any,
    description: string,
    enum: array,
    properties: propertiesMap,
  });
}

function propertiesMap(value: unknown): unknown {
  if (!isObject(value)) throw new TypeError('properties must be an object');
  return Object.fromEntries(
    Object.entries(value).map(([name, schema]) => {
      if (!name.isWellFormed()) throw new TypeError('invalid escape sequence in a string');
      return [name, property(schema)];
    }),
  );
}

/** A list of one type becomes that type. */
function propertyType(value: unknown): unknown {
  if (typeof value === 'string') return value;
  const all = strings(value);
  return all.length === 1 ? all[0] : all;
}

function any(value: unknown): unknown {
  return value;
}

function string(value: unknown): string {
  if (typeof value !== 'string') throw new TypeError('not a string');
  return value;
}

function array(value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw new TypeError('not an array');
  return value;
}

function strings(value: unknown): readonly string[] {
  return array(value).map(string);
}

function isEmptyArray(value: unknown): boolean {
  return Array.isArray(value) && value.length === 0;
}
