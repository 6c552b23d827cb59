import type { ResponseTextConfig } from 'openai/resources/responses/responses';
import type { ChatRequest, JsonObject } from '../../../chat/request.ts';
import { boolean, object, oneOf, optional, required, string } from '../../fields.ts';
import type { DroppedFields } from '../../dropped-fields.ts';

interface TextFormat {
  readonly request: Pick<ChatRequest, 'format'>;
  readonly echo: { text: ResponseTextConfig };
}

const types = ['text', 'json_object', 'json_schema'] as const;

/**
 * Reads `text`.
 *
 * @throws {GatewayError} 400 with `param`
 * @see https://platform.openai.com/docs/api-reference/responses/create (text)
 */
export function readText(body: JsonObject, ledger: DroppedFields): TextFormat {
  const text = object(body['text'], 'text');
  ledger.note('text.verbosity', text?.['verbosity']);
  const format = object(text?.['format'], 'text.format');
  const type =
    format === undefined ? 'text' : required(oneOf(format['type'], 'text.format.type', types), 'text.format.type');
  switch (type) {
    case 'text':
      return { request: {}, echo: { text: { format: { type } } } };
    case 'json_object':
      return { request: { format: 'json' }, echo: { text: { format: { type } } } };
    case 'json_schema': {
      const name = required(string(format?.['name'], 'text.format.name'), 'text.format.name');
      const schema = required(object(format?.['schema'], 'text.format.schema'), 'text.format.schema');
      const described = optional('description', string(format?.['description'], 'text.format.description'));
      const strict = boolean(format?.['strict'], 'text.format.strict') ?? null;
      return { request: { format: schema }, echo: { text: { format: { type, name, ...described, schema, strict } } } };
    }
    default:
      return type satisfies never;
  }
}
