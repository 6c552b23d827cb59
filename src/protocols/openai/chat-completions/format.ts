import type { JsonObject } from '../../../chat/request.ts';
import { checkExclusive, object } from '../../fields.ts';
import { readFormatObject } from '../../response-format.ts';
import { readFormat } from '../../shared-fields.ts';

/**
 * Reads `response_format`, or Ollama's own `format`.
 *
 * @returns `json` for any JSON object, a JSON Schema, or undefined for text
 * @throws {GatewayError} 400 with `param`, also when a client sends both fields
 * @see https://platform.openai.com/docs/api-reference/chat/create (response_format)
 */
export function readResponseFormat(body: JsonObject): 'json' | JsonObject | undefined {
  checkExclusive(['response_format', body['response_format']], ['format', body['format']]);
  const format = object(body['response_format'], 'response_format');
  if (format === undefined) return readFormat(body['format']);
  const nested = format['json_schema'] == null ? '' : '.schema';
  return readFormatObject(format, 'response_format', `response_format.json_schema${nested}`);
}
