import type { JsonObject } from '../../../chat/request.ts';
import type { Values } from '../../field-table.ts';
import { object } from '../../fields.ts';
import { readFormatObject } from '../../response-format.ts';
import { settleFormat } from '../../settings.ts';
import type { messagesFields } from './fields.ts';

/**
 * Reads `output_config.format`, or `output_format`, its former name.
 *
 * @returns a JSON Schema, `json` for any JSON object, or undefined for text
 * @throws {GatewayError} 400 with `param`, also for two different schemas
 * @see https://platform.claude.com/docs/en/build-with-claude/structured-outputs
 */
export function readOutputFormat(values: Values<typeof messagesFields>): 'json' | JsonObject | undefined {
  const path = 'output_config.format';
  return settleFormat(
    [path, readFormat(values.output_config?.['format'], path)],
    ['output_format', readFormat(values.output_format, 'output_format')],
  );
}

function readFormat(value: unknown, path: string): 'json' | JsonObject | undefined {
  const format = object(value, path);
  return format && readFormatObject(format, path, `${path}.schema`);
}
