import type { ResponseTextConfig } from 'openai/resources/responses/responses';
import type { ChatRequest, JsonObject } from '../../../chat/request.ts';
import type { DroppedFields } from '../../dropped-fields.ts';
import { boolean, defined, object, oneOf, required, string } from '../../fields.ts';

interface TextFormat {
  readonly request: Pick<ChatRequest, 'format'>;
  readonly echo: { text: ResponseTextConfig };
}

/**
 * Reads `text`, which holds the format of the answer.
 *
 * @throws {GatewayError} 400 with `param`
 * @see https://platform.openai.com/docs/api-reference/responses/create (text)
 */
export function readTextFormat(body: JsonObject, dropped: DroppedFields): TextFormat {
  const text = object(body['text'], 'text') ?? {};
  dropped.add('text.verbosity', text['verbosity']);
  const format = object(text['format'], 'text.format') ?? { type: 'text' };
  const type = required(oneOf, format['type'], 'text.format.type', ['text', 'json_object', 'json_schema']);
  switch (type) {
    case 'text':
      return { request: {}, echo: { text: { format: { type } } } };
    case 'json_object':
      return { request: { format: 'json' }, echo: { text: { format: { type } } } };
    case 'json_schema': {
      const name = required(string, format['name'], 'text.format.name');
      const schema = required(object, format['schema'], 'text.format.schema');
      const description = defined({ description: string(format['description'], 'text.format.description') });
      const strict = boolean(format['strict'], 'text.format.strict') ?? null;
      return {
        request: { format: schema },
        echo: { text: { format: { type, name, ...description, schema, strict } } },
      };
    }
    default:
      return type satisfies never;
  }
}
