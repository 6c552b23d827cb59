import type { SafeBody } from '../../chat/backend.ts';
import type { JsonObject } from '../../chat/request.ts';
import { isObject } from '../../framing/json.ts';
import { grammarSchema } from '../grammar-schema.ts';

/** @returns a body of chat completions, with schemas that the server can turn into a grammar */
export function safeSchemas(body: JsonObject): SafeBody {
  const dropped: string[] = [];
  const { response_format: format, tools } = body;
  const safeFormat = withSafeSchema(format, ['json_schema', 'schema'], 'response_format', dropped);
  const safeTools = Array.isArray(tools)
    ? tools.map((tool: unknown) => withSafeSchema(tool, ['function', 'parameters'], 'tools', dropped))
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
function withSafeSchema(value: unknown, [name, ...path]: readonly string[], field: string, dropped: string[]): unknown {
  if (!isObject(value)) return value;
  if (name === undefined) {
    const { schema, dropped: keywords } = grammarSchema(value);
    dropped.push(...keywords.map((keyword) => `${field}.${keyword}`));
    return schema;
  }
  const inner = withSafeSchema(value[name], path, field, dropped);
  return inner === value[name] ? value : { ...value, [name]: inner };
}
