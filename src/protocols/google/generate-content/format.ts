import type { JsonObject } from '../../../chat/request.ts';
import type { DroppedFields } from '../../dropped-fields.ts';
import type { Values } from '../../field-table.ts';
import { readSchema } from '../../json-schema.ts';
import { settleFormat } from '../../settings.ts';
import type { generationFields } from './fields.ts';
import { readOpenApiSchema } from './schema.ts';

/**
 * Reads the format of the answer.
 *
 * @throws {GatewayError} 400 with `param` for a schema that is none, and for two different ones
 * @see https://ai.google.dev/gemini-api/docs/structured-output
 */
export function readFormat(
  { responseMimeType = '', responseSchema, ...values }: Values<typeof generationFields>,
  dropped: DroppedFields,
): 'json' | JsonObject | undefined {
  const [path, jsonPath] = ['generationConfig.responseSchema', 'generationConfig.responseJsonSchema'];
  const otherPath = 'generationConfig._responseJsonSchema';
  const jsonSchema = settleFormat(
    [jsonPath, readSchema(values.responseJsonSchema, jsonPath)],
    [otherPath, readSchema(values._responseJsonSchema, otherPath)],
  );
  const schema = settleFormat([path, readOpenApiSchema(responseSchema, path)], [jsonPath, jsonSchema]);
  const [type = ''] = responseMimeType.toLowerCase().split(';', 1);
  if (type === 'application/json') return schema ?? 'json';
  if (type === '' || type === 'text/plain') return schema;
  dropped.add('generationConfig.responseMimeType', responseMimeType);
  return undefined;
}
