import type { JsonObject } from '../../chat/request.ts';
import { foldedName } from '../../framing/json.ts';
import { readObjectBody } from '../fields.ts';

/**
 * Reads a body with the names of its fields in lower case. Like Ollama, it ignores their case, and of two fields with
 * the same name the last one wins.
 *
 * @throws {GatewayError} 400 for anything but an object
 */
export function readFoldedBody(body: unknown): JsonObject {
  return Object.fromEntries(Object.entries(readObjectBody(body)).map(([name, value]) => [foldedName(name), value]));
}
