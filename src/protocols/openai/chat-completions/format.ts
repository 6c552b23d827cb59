import type { JsonObject } from '../../../chat/request.ts';
import { checkExclusive, object, oneOf, required, string } from '../../fields.ts';
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
  const type = required(oneOf, format['type'], 'response_format.type', ['text', 'json_object', 'json_schema']);
  switch (type) {
    case 'text':
      return undefined;
    case 'json_object':
      return 'json';
    case 'json_schema': {
      const path = 'response_format.json_schema';
      const { name, schema } = required(object, format['json_schema'], path);
      required(string, name, `${path}.name`);
      return required(object, schema, `${path}.schema`);
    }
    default:
      return type satisfies never;
  }
}
