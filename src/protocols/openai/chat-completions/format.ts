import type { JsonObject } from '../../../chat/request.ts';
import { object } from '../../fields.ts';
import { readFormatObject } from '../../response-format.ts';

/**
 * Reads `response_format`. An empty one asks for nothing.
 *
 * @returns `json` for any JSON object, a JSON Schema, or undefined for text
 * @throws {GatewayError} 400 with `param`
 * @see https://platform.openai.com/docs/api-reference/chat/create (response_format)
 */
export function readResponseFormat(value: unknown): 'json' | JsonObject | undefined {
  // A word alone, as in Ollama's `format`.
  const format = typeof value === 'string' ? { type: value } : object(value, 'response_format');
  if (format === undefined) return undefined;
  const nested = format['json_schema'] == null ? '' : '.schema';
  return readFormatObject(format, 'response_format', `response_format.json_schema${nested}`);
}
