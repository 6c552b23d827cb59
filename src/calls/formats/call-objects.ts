import type { Tool } from '../../chat/request.ts';
import { isObject, parseExact } from '../../framing/json.ts';

/** Members of a call without its arguments. */
const described = new Set([
  'name',
  'tool_name',
  'tool',
  'recipient_name',
  'function',
  'type',
  'id',
  'index',
  'tool_call_id',
]);
const argumentKeys = ['arguments', 'parameters', 'args', 'input'];
const listKeys = ['tool_calls', 'tool_call'];

/** True for JSON that has a name, arguments, and nothing that a call does not have. */
export function isCallObject(value: unknown): boolean {
  if (!isObject(value)) return false;
  const keys = Object.keys(value);
  const listed = keys.find((key) => listKeys.includes(key));
  if (listed !== undefined) {
    const list = value[listed];
    return keys.length === 1 && (Array.isArray(list) ? list : [list]).every(isCallObject);
  }
  const { function: called } = value;
  const hasArguments = isObject(called)
    ? isCallObject(called)
    : keys.some((key) => argumentKeys.includes(key) && areArguments(value[key]));
  return hasArguments && keys.every((key) => described.has(key) || argumentKeys.includes(key));
}

function areArguments(value: unknown): boolean {
  return isObject(value) || typeof value === 'string';
}

const types = new Set<unknown>(['string', 'integer', 'number', 'boolean', 'array', 'object', 'null']);

function isDescription(value: unknown): boolean {
  return isObject(value) && types.has(value['type']);
}

/**
 * Tells the arguments of a call from a description of the tool.
 *
 * @param args the JSON of an object
 * @param isStrict true if arguments that the tool does not have make it no call
 */
export function mayBeArguments(args: string, tool: Tool, isStrict: boolean): boolean {
  const value: unknown = parseExact(args);
  if (!isObject(value)) return false;
  const properties = tool.parameters?.['properties'];
  const known = isObject(properties) ? properties : undefined;
  const keys = Object.keys(value);
  const isSchema = value['type'] === 'object' && isObject(value['properties']);
  if (isSchema && (known === undefined || !Object.hasOwn(known, 'properties'))) return false;
  if (!isStrict || known === undefined || keys.length === 0) return true;
  return keys.some((key) => Object.hasOwn(known, key)) && !keys.every((key) => isDescription(value[key]));
}
