import type { JsonObject } from '../../chat/request.ts';
import { foldedName, isObject } from '../../framing/json.ts';
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

/** @returns the value of a field, whatever the case of its name; undefined if the body does not have it */
export function fieldOf(body: unknown, field: string): unknown {
  if (!isObject(body)) return undefined;
  if (Object.hasOwn(body, field)) return body[field];
  const name = Object.keys(body).find((given) => foldedName(given) === field);
  return name === undefined ? undefined : body[name];
}
