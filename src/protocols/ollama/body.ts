import type { JsonObject } from '../../chat/request.ts';
import { GatewayError } from '../../errors.ts';
import { foldedName, isObject } from '../../framing/json.ts';

/**
 * The fields of a body by the names Ollama reads them under: without regard to case, and the last of two wins.
 *
 * @throws {GatewayError} 400 for what is not an object
 */
export function readFields(body: unknown): JsonObject {
  if (!isObject(body)) throw new GatewayError('invalid_value', 'The request body must be a JSON object.');
  return Object.fromEntries(Object.entries(body).map(([name, value]) => [foldedName(name), value]));
}
