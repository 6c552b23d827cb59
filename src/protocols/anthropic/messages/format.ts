import type { JsonObject } from '../../../chat/request.ts';
import type { DroppedFields } from '../../dropped-fields.ts';
import { checkExclusive, object } from '../../fields.ts';
import { readFormatObject } from '../../response-format.ts';
import { dropUnknown } from './unknown-fields.ts';

/**
 * Reads `output_config.format`, or `output_format`, its former name.
 *
 * @returns a JSON Schema, `json` for any JSON object, or undefined for text
 * @throws {GatewayError} 400 with `param`, also when a client sends both fields
 * @see https://platform.claude.com/docs/en/build-with-claude/structured-outputs
 */
export function readOutputFormat(body: JsonObject, dropped: DroppedFields): 'json' | JsonObject | undefined {
  const config = object(body['output_config'], 'output_config') ?? {};
  dropUnknown(dropped, 'output_config.', config, ['effort', 'format']);
  const former = body['output_format'];
  checkExclusive(['output_config.format', config['format']], ['output_format', former]);
  const path = former == null ? 'output_config.format' : 'output_format';
  const format = object(former ?? config['format'], path);
  if (format === undefined) return undefined;
  return readFormatObject(format, path, `${path}.schema`);
}
