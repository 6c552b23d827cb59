import type { ResponseTextConfig } from 'openai/resources/responses/responses';
import type { ChatRequest, JsonObject } from '../../../chat/request.ts';
import { boolean, defined, object, string } from '../../fields.ts';
import { readFormatObject } from '../../response-format.ts';

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
export function readTextFormat(text: JsonObject | undefined): TextFormat {
  const format = object(text?.['format'], 'text.format') ?? { type: 'text' };
  const read = readFormatObject(format, 'text.format', 'text.format.schema');
  if (read === undefined) return { request: {}, echo: { text: { format: { type: 'text' } } } };
  if (read === 'json' || format['type'] === 'json_object') {
    return { request: { format: read }, echo: { text: { format: { type: 'json_object' } } } };
  }
  // OpenAI's form has the schema's own fields beside `type`, that of chat completions has them in `json_schema`.
  const named = object(format['json_schema'], 'text.format.json_schema') ?? format;
  const name = string(named['name'], 'text.format.name') ?? 'answer';
  const description = defined({ description: string(named['description'], 'text.format.description') });
  const strict = boolean(named['strict'], 'text.format.strict') ?? null;
  return {
    request: { format: read },
    echo: { text: { format: { type: 'json_schema', name, ...description, schema: read, strict } } },
  };
}
