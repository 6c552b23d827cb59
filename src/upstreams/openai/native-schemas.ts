import type { SafeBody } from '../../chat/backend.ts';
import type { JsonObject } from '../../chat/request.ts';
import { isObject } from '../../framing/json.ts';
import { PatternBudget, grammarSchema } from '../grammar-schema.ts';

/** @returns a body of chat completions, with schemas that the server can turn into a grammar */
export function safeSchemas(body: JsonObject): SafeBody {
  const dropped: string[] = [];
  const patterns = new PatternBudget();
  const safe = (given: JsonObject, field: string): JsonObject => {
    const { schema, dropped: keywords } = grammarSchema(given, patterns);
    dropped.push(...keywords.map((keyword) => `${field}.${keyword}`));
    return schema;
  };
  const { response_format: format, tools } = body;
  const safeFormat = withSafeSchema(format, ['json_schema', 'schema'], (schema) => safe(schema, 'response_format'));
  const safeTools = Array.isArray(tools)
    ? tools.map((tool: unknown) => withSafeSchema(tool, ['function', 'parameters'], (schema) => safe(schema, 'tools')))
    : [];
  const isSame = safeFormat === format && safeTools.every((tool, index) => tool === (tools as unknown[])[index]);
  if (isSame) return { body, dropped: [] };
  return {
    body: {
      ...body,
      ...(format !== undefined && { response_format: safeFormat }),
      ...(Array.isArray(tools) && { tools: safeTools }),
    },
    dropped,
  };
}

/** @returns the value itself unless the schema at `path` changes */
function withSafeSchema(
  value: unknown,
  [name, ...path]: readonly string[],
  safe: (schema: JsonObject) => JsonObject,
): unknown {
  if (!isObject(value)) return value;
  if (name === undefined) return safe(value);
  const inner = withSafeSchema(value[name], path, safe);
  return inner === value[name] ? value : { ...value, [name]: inner };
}
