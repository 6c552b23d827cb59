import type { JsonObject } from '../../../chat/request.ts';
import { invalidValue } from '../../../errors.ts';
import { object, oneOf, required } from '../../fields.ts';
import type { DroppedFields } from '../../dropped-fields.ts';
import { noteUnread } from './unread.ts';

/**
 * Reads `output_config.format`, or `output_format` as it was called before.
 *
 * @see https://platform.claude.com/docs/en/build-with-claude/structured-outputs
 */
export function readFormat(body: JsonObject, ledger: DroppedFields): JsonObject | undefined {
  const config = object(body['output_config'], 'output_config') ?? {};
  noteUnread(ledger, 'output_config.', config, ['effort', 'format']);
  const before = body['output_format'];
  if (before != null && config['format'] != null) {
    throw invalidValue('output_format', 'Send output_config.format or output_format, not both.');
  }
  const path = before == null ? 'output_config.format' : 'output_format';
  const format = object(before ?? config['format'], path);
  if (format === undefined) return undefined;
  required(oneOf(format['type'], `${path}.type`, ['json_schema']), `${path}.type`);
  return required(object(format['schema'], `${path}.schema`), `${path}.schema`);
}
