import { isUtf8 } from 'node:buffer';
import { invalidValue } from '../../errors.ts';
import { memberNames, repeatedName } from '../../framing/member-names.ts';

/** The fields that policy always depends on: the names of a model, and how long it stays loaded. */
const policyFields = new Set(['model', 'name', 'keep_alive']);

/** Maximum length of a field name in an error message. */
const maxQuoted = 128;

/**
 * Checks that an upstream reads the same values in a body as policy did.
 *
 * @param body the parsed `bytes`
 * @param allFields true when policy depends on more fields than it always does
 * @returns false when other parsers may read the bytes differently, so that the body must be serialized again
 * @throws {GatewayError} 400 for a repeated field
 */
export function hasOneReading(bytes: Buffer, body: unknown, allFields: boolean): boolean {
  const names = memberNames(bytes);
  const path = repeatedName(bytes, body, names, allFields ? undefined : policyFields);
  if (path === undefined) return !names.areEscaped && isUtf8(bytes);
  const field = path.join('.').slice(0, maxQuoted);
  throw invalidValue(field, `The request body has the field ${field} twice.`);
}
