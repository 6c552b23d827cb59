import type { Tool as OllamaTool } from 'ollama';
import type { JsonObject, Tool } from '../../chat/request.ts';
import { isObject } from '../../framing/json.ts';
import { described } from './schema-merge.ts';
import { inlineRefs } from './schema-refs.ts';

/**
 * A tool as Ollama's Go types take it. They know a few keywords of JSON Schema, drop the rest in silence, and answer
 * 400 to the whole request where a known one has another type than theirs. What they know stays as it is; the rest
 * stands in the nearest description, as `(minimum: 1, pattern: "^a")`, where the model reads it. A schema's own root
 * has no description there: the tool's takes its place. Never throws, whatever JSON object the parameters are.
 *
 * @see https://pkg.go.dev/github.com/ollama/ollama@v0.17.4/api#ToolFunctionParameters
 */
export function toOllamaFunction({ name, description = '', parameters = {} }: Tool): OllamaTool['function'] {
  // A name for the arguments as a whole tells nothing that the tool's own does not.
  const { title: _, description: about, ...schema } = inlineRefs(parameters);
  const [known, rest] = sorted(schema, rootFields);
  const told = described({ description: typeof about === 'string' && about !== description ? about : '' }, rest);
  const remark = String(told['description']).trim();
  const text = [description, ...(remark === '' ? [] : [`Arguments: ${remark}`])]
    .filter((part) => part !== '')
    .join(' ');
  return {
    name,
    ...(text !== '' && { description: text }),
    parameters: { type: 'object', properties: {}, ...known },
  };
}

/** A keyword's value where the Go type keeps it, nothing where it would drop or refuse it. */
type Field = (value: unknown) => unknown;

/** ToolFunctionParameters */
const rootFields: Readonly<Record<string, Field>> = {
  type: (value) => (typeof value === 'string' && value !== '' ? value : undefined),
  items: (value) => value ?? undefined,
  required: strings,
  properties,
};

/** ToolProperty */
const propertyFields: Readonly<Record<string, Field>> = {
  type: (value) => (typeof value === 'string' ? value : strings(filled(value))),
  items: (value) => value ?? undefined,
  description: (value) => (typeof value === 'string' ? value : undefined),
  enum: filled,
  anyOf: (value) => filled(value)?.map(toProperty),
  // Newer servers keep it; for older ones it is in the description as well.
  required: strings,
  properties,
};

function strings(value: unknown): readonly string[] | undefined {
  return Array.isArray(value) && value.every((each) => typeof each === 'string') ? value : undefined;
}

function filled(value: unknown): readonly unknown[] | undefined {
  return Array.isArray(value) && value.length > 0 ? value : undefined;
}

function properties(value: unknown): JsonObject | undefined {
  if (!isObject(value)) return undefined;
  // Ollama answers 400 to half of a surrogate pair in a name.
  return Object.fromEntries(Object.entries(value).map(([name, schema]) => [name.toWellFormed(), toProperty(schema)]));
}

function toProperty(schema: unknown): JsonObject {
  if (schema === true) return {};
  if (schema === false) return { description: '(not allowed)' };
  if (!isObject(schema)) return { description: `(${JSON.stringify(schema)})` };
  const [known, rest] = sorted(reworded(schema), propertyFields);
  const required = filled(known['required']);
  const remarks = [
    ...(known['anyOf'] !== undefined && schema['anyOf'] === undefined ? ['exactly one of anyOf'] : []),
    ...(required === undefined ? [] : [`required: ${JSON.stringify(required)}`]),
  ];
  return described(known, [...remarks, ...rest]);
}

/** The same in keywords that the Go type knows, as far as there are such. */
function reworded({ title, nullable, const: only, oneOf, ...schema }: JsonObject): JsonObject {
  const { description = title, type, anyOf, enum: values } = schema;
  const types = typeof type === 'string' ? [type] : strings(filled(type));
  const nulled = nullable === true && types !== undefined;
  return {
    ...schema,
    ...(typeof description === 'string' && { description }),
    ...(nulled ? { type: [...new Set([...types, 'null'])] } : nullable !== undefined && { nullable }),
    ...(only !== undefined && (values === undefined ? { enum: [only] } : { const: only })),
    ...(oneOf !== undefined && (anyOf === undefined && filled(oneOf) ? { anyOf: oneOf } : { oneOf })),
  };
}

/** The fields that the Go type keeps, and the other keywords as text. */
function sorted(schema: JsonObject, fields: Readonly<Record<string, Field>>): [JsonObject, string[]] {
  const known: [string, unknown][] = [];
  const rest: string[] = [];
  for (const [key, value] of Object.entries(schema)) {
    const kept = Object.hasOwn(fields, key) ? fields[key]?.(value) : undefined;
    if (kept === undefined) rest.push(`${key}: ${JSON.stringify(value)}`);
    else known.push([key, kept]);
  }
  return [Object.fromEntries(known), rest];
}
