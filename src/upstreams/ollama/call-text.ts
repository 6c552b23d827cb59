import type { ChatRequest } from '../../chat/request.ts';
import { isObject, parseExact } from '../../framing/json.ts';
import { argumentsText } from '../coerce.ts';

interface Call {
  readonly name: string;
  readonly arguments: string;
}

/** The beginning of a call, up to its name. JSON may have white space between its parts. */
const upToName = /^\s*\{\s*"name"\s*:\s*"([^"\\]*)/;
/** The text between the name and the arguments. */
const upToArguments = /^"\s*,\s*"arguments"\s*:\s*/;

/**
 * @param names the tools that may be called
 * @returns the call that a text is the JSON of, with arguments that need not be an object; undefined for other text
 */
export function readCall(text: string, names: readonly string[]): Call | undefined {
  let call: unknown;
  try {
    call = parseExact(text);
  } catch {
    return undefined;
  }
  if (!isObject(call) || typeof call['name'] !== 'string' || !names.includes(call['name'])) return undefined;
  return { name: call['name'], arguments: argumentsText(call['arguments']) };
}

/** @returns a call whose arguments break off or are not JSON; undefined for other text */
export function readBrokenCall(text: string, names: readonly string[]): Call | undefined {
  const [start = '', name] = upToName.exec(text) ?? [];
  if (name === undefined || !names.includes(name)) return undefined;
  const rest = text.slice(start.length);
  const [separator] = upToArguments.exec(rest) ?? [];
  return separator === undefined ? undefined : { name, arguments: argumentsText(rest.slice(separator.length)) };
}

/**
 * @param format the format of an answer that is not a call
 * @returns true if a text that was cut begins as a call does, and not as an answer
 */
export function beginsAsCall(text: string, names: readonly string[], format: ChatRequest['format']): boolean {
  const [start, name = ''] = upToName.exec(text) ?? [];
  if (start === undefined || (name === '' && start.length === text.length)) {
    const begun = text.replace(/\s/g, '');
    // One brace, or the field of a name, may as well begin an answer.
    return begun.length > '{"'.length && '{"name":"'.startsWith(begun) && !mayHaveName(format);
  }
  const rest = text.slice(start.length);
  if (rest === '') return names.some((known) => known.startsWith(name));
  if (!names.includes(name)) return false;
  const [, key = ''] = /^"\s*(?:,\s*("[^"]*"?)?\s*)?$/.exec(rest) ?? [undefined, rest];
  return '"arguments"'.startsWith(key) || upToArguments.test(rest);
}

/** True if an answer of the format may have a field `name`. */
function mayHaveName(format: ChatRequest['format']): boolean {
  if (!isObject(format)) return true;
  const properties = format['properties'];
  return !isObject(properties) || Object.hasOwn(properties, 'name');
}
