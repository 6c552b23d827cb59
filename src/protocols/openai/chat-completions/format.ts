import type { JsonObject } from '../../../chat/request.ts';
import { invalidValue } from '../../../errors.ts';
import { isObject } from '../../../framing/json.ts';
import { exclusive, object, oneOf, required, string } from '../../fields.ts';

/**
 * Reads `response_format`, or Ollama's own `format`.
 *
 * @see https://platform.openai.com/docs/api-reference/chat/create (response_format)
 */
export function readFormat(body: JsonObject): 'json' | JsonObject | undefined {
  exclusive(body, 'response_format', 'format');
  const responseFormat = object(body['response_format'], 'response_format');
  if (responseFormat === undefined) return readOllamaFormat(body['format']);
  const types = ['text', 'json_object', 'json_schema'] as const;
  const type = required(oneOf(responseFormat['type'], 'response_format.type', types), 'response_format.type');
  switch (type) {
    case 'text':
      return undefined;
    case 'json_object':
      return 'json';
    case 'json_schema': {
      const path = 'response_format.json_schema';
      const { name, schema } = required(object(responseFormat['json_schema'], path), path);
      required(string(name, `${path}.name`), `${path}.name`);
      return required(object(schema, `${path}.schema`), `${path}.schema`);
    }
    default:
      return type satisfies never;
  }
}

function readOllamaFormat(value: unknown): 'json' | JsonObject | undefined {
  if (value == null || value === '') return undefined;
  if (value === 'json' || isObject(value)) return value;
  throw invalidValue('format', 'format must be "json" or a JSON Schema.');
}
