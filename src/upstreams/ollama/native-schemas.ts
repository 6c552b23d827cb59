import type { SafeBody } from '../../chat/backend.ts';
import type { JsonObject } from '../../chat/request.ts';
import { isObject } from '../../framing/json.ts';
import { grammarSchema } from '../grammar-schema.ts';

/** @returns a body of Ollama's own API, with a format that the server can turn into a grammar */
export function safeSchemas(body: JsonObject): SafeBody {
  const { format } = body;
  if (!isObject(format)) return { body, dropped: [] };
  const { schema, dropped } = grammarSchema(format);
  if (schema === format) return { body, dropped: [] };
  return { body: { ...body, format: schema }, dropped: dropped.map((keyword) => `format.${keyword}`) };
}
