import type { Tool as OllamaTool } from 'ollama';
import type { JsonObject, Tool } from '../../chat/request.ts';
import { isObject } from '../../framing/json.ts';
import type { Budget } from './schema-budget.ts';
import { grammarSchema } from '../grammar-schema.ts';
import { withRemarks } from './schema-merge.ts';
import { inlineRefs } from './schema-refs.ts';

/**
 * Translates a tool for Ollama, whose Go types support a few keywords of JSON Schema. Ollama drops the others silently, and
 * answers 400 to the whole request when a supported one has another type than theirs. So supported keywords are sent
 * unchanged, and the others are written into the nearest description, as `(minimum: 1, pattern: "^a")`, where the model
 * reads them. The root schema has no description in Ollama; the tool's is used instead.
 *
 * @param parameters any JSON object
 * @throws {GatewayError} 400 when the budget is used up
 * @see https://pkg.go.dev/github.com/ollama/ollama@v0.17.4/api#ToolFunctionParameters
 */
export function toOllamaFunction(
  { name, description = '', parameters = {} }: Tool,
  budget: Budget,
): OllamaTool['function'] {
  // A title of the root would only repeat the tool's name.
  const { title: _, description: schemaDescription, ...schema } = inlineRefs(parameters, budget);
  const { supported, remarks } = splitBySupport(schema, rootFields);
  const own = typeof schemaDescription === 'string' && schemaDescription !== description ? schemaDescription : '';
  const about = String(withRemarks({ description: own }, remarks)['description']).trim();
  const text = [description, about === '' ? '' : `Arguments: ${about}`].filter((part) => part !== '').join(' ');
  return {
    name,
    ...(text !== '' && { description: text }),
    parameters: { type: 'object', properties: {}, ...supported },
  };
}

/** @returns a keyword's value; undefined when the Go type would drop or refuse it */
type FieldReader = (value: unknown) => unknown;

/** Fields of ToolFunctionParameters. */
const rootFields: Readonly<Record<string, FieldReader>> = {
  type: (value) => (typeof value === 'string' && value !== '' ? value : undefined),
  items: (value) => value ?? undefined,
  required: stringList,
  properties,
};

/** Fields of ToolProperty. */
const propertyFields: Readonly<Record<string, FieldReader>> = {
  type: (value) => (typeof value === 'string' ? value : stringList(nonEmpty(value))),
  items: (value) => value ?? undefined,
  description: (value) => (typeof value === 'string' ? value : undefined),
  enum: nonEmpty,
  anyOf: (value) => nonEmpty(value)?.map(toProperty),
  // Newer servers support it. For older ones it is in the description as well.
  required: stringList,
  properties,
};

function stringList(value: unknown): readonly string[] | undefined {
  return Array.isArray(value) && value.every((each) => typeof each === 'string') ? value : undefined;
}

function nonEmpty(value: unknown): readonly unknown[] | undefined {
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
  const { supported, remarks } = splitBySupport(withSupportedKeywords(schema), propertyFields);
  const required = nonEmpty(supported['required']);
  return withRemarks(supported, [
    ...(supported['anyOf'] !== undefined && schema['anyOf'] === undefined ? ['exactly one of anyOf'] : []),
    ...(required === undefined ? [] : [`required: ${JSON.stringify(required)}`]),
    ...remarks,
  ]);
}

/** Replaces keywords by ones of the same meaning that the Go type supports, where there are any. */
function withSupportedKeywords({ title, nullable, const: only, oneOf, ...schema }: JsonObject): JsonObject {
  const { description = title, type, anyOf, enum: values } = schema;
  const types = typeof type === 'string' ? [type] : stringList(nonEmpty(type));
  const canBeNull = nullable === true && types !== undefined;
  return {
    ...schema,
    ...(typeof description === 'string' && { description }),
    ...(canBeNull ? { type: [...new Set([...types, 'null'])] } : nullable !== undefined && { nullable }),
    ...(only !== undefined && (values === undefined ? { enum: [only] } : { const: only })),
    ...(oneOf !== undefined && (anyOf === undefined && nonEmpty(oneOf) ? { anyOf: oneOf } : { oneOf })),
  };
}

/** @returns the keywords that the Go type supports, and the others as text for the description */
function splitBySupport(
  schema: JsonObject,
  fields: Readonly<Record<string, FieldReader>>,
): { supported: JsonObject; remarks: string[] } {
  const supported: [string, unknown][] = [];
  const remarks: string[] = [];
  for (const [key, value] of Object.entries(schema)) {
    const field = Object.hasOwn(fields, key) ? fields[key]?.(value) : undefined;
    if (field === undefined) remarks.push(`${key}: ${JSON.stringify(value)}`);
    else if (key === 'items' && isObject(value)) {
      // Ollama passes them on to the grammar as they are.
      const { schema: items, dropped } = grammarSchema(value);
      supported.push([key, items]);
      if (dropped.length > 0) remarks.push(`items: ${JSON.stringify(value)}`);
    } else supported.push([key, field]);
  }
  return { supported: Object.fromEntries(supported), remarks };
}
