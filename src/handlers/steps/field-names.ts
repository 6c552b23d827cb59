import type { ErrorFormat, GenerationCall, GenerationProtocol } from '../../chat/protocol.ts';
import type { GatewayError } from '../../errors.ts';

/** Renames a field of OpenAI's chat completions to what a dialect calls it. */
export type FieldNames = (field: string) => string;

export function fieldNamesOf({ fieldNames = {} }: GenerationProtocol): FieldNames {
  const format = fieldNames['response_format'] ?? 'response_format';
  return (field) => {
    if (Object.hasOwn(fieldNames, field)) return fieldNames[field] ?? field;
    // A keyword of the schema.
    return field.startsWith('response_format.') ? `${format}${field.slice('response_format'.length)}` : field;
  };
}

/** @returns the error format of a dialect, with `param` in the dialect's own names */
export function errorFormatOf(protocol: GenerationProtocol): ErrorFormat {
  const { errors, fieldNames } = protocol;
  if (fieldNames === undefined) return errors;
  const names = fieldNamesOf(protocol);
  return { ...errors, body: (error) => errors.body(withFieldName(error, names)) };
}

export function withFieldName(error: GatewayError, names: FieldNames): GatewayError {
  return error.param === undefined ? error : error.about(names(error.param));
}

/** @returns dropped fields as the client spelled them */
export function spelledFields(
  fields: readonly string[],
  { spellings }: Pick<GenerationCall, 'spellings'>,
  names: FieldNames = (field) => field,
): string[] {
  return fields.map((field) => spellings?.get(field) ?? names(field));
}
