import { isObject, parseExact } from '../../framing/json.ts';
import type { Tool } from '../../chat/request.ts';
import type { TextCall } from '../text-call.ts';
import type { ToolNames } from '../tool-names.ts';

// Formats in which each argument has a tag of its own: Qwen's coders, MiniMax, DeepSeek's DSML, GLM.

const tag = /<function=|<｜DSML｜invoke name=|<invoke name=|<arg_key>/;

export function hasTags(body: string): boolean {
  return tag.test(body);
}

/** @returns the calls, undefined in place of one that cannot be read */
export function readTags(body: string, names: ToolNames): readonly (TextCall | undefined)[] {
  if (body.includes('<arg_key>') && !/<function=|<invoke name=/.test(body)) return [readPairs(body, names)];
  return body
    .split(/<function=|<(?:｜DSML｜)?invoke name=/)
    .slice(1)
    .map((call) => readElement(call, names));
}

const endOfName = /[>\s]/;
const parameterStart = /<(?:｜DSML｜)?parameter(?:=|\s+name=)/;
const parameterEnd = /<\/(?:｜DSML｜)?parameter>/;
const elementEnd = /<\/(?:function|(?:｜DSML｜)?invoke|(?:｜DSML｜)?function_calls|tool_call)>[^]*$/;

/** Reads a call after `<function=` or `<invoke name=`. @see https://huggingface.co/Qwen/Qwen3-Coder-30B-A3B-Instruct (chat template) */
function readElement(text: string, names: ToolNames): TextCall | undefined {
  const end = text.search(endOfName);
  if (end === -1) return undefined;
  const name = unquoted(text.slice(0, end));
  const content = text.slice(text.indexOf('>', end) + 1);
  const [before = '', ...parameters] = content.split(parameterStart);
  // Llama writes the JSON of all arguments.
  if (parameters.length === 0) {
    const json = content.replace(elementEnd, '').trim();
    return { name, arguments: json };
  }
  if (before.trim() !== '') return undefined;
  // Half of a value is not taken for the whole one.
  const last = parameters.at(-1) ?? '';
  if (!parameterEnd.test(last) && !elementEnd.test(last)) return undefined;
  const tool = names.find(name);
  return withArguments(
    name,
    parameters.map((parameter) => readParameter(parameter, tool)),
  );
}

function readParameter(text: string, tool: Tool | undefined): [string, unknown] {
  const end = text.indexOf('>');
  const head = text.slice(0, end);
  const name = unquoted(/^\s*("[^"]*"|'[^']*'|\S*)/.exec(head)?.[1] ?? '');
  const [whole = '', ...after] = text.slice(end + 1).split(parameterEnd);
  // Without its end, the value ends with the call.
  const value = after.length === 0 ? whole.replace(elementEnd, '') : whole;
  const isText = /\bstring="true"/.test(head);
  return [name, isText ? value : valueOf(value, typeOf(tool, name))];
}

/** Reads GLM's `NAME <arg_key>…</arg_key><arg_value>…</arg_value>`. */
function readPairs(body: string, names: ToolNames): TextCall | undefined {
  const [name = '', ...pairs] = body.split('<arg_key>');
  const tool = names.find(name.trim());
  const entries = pairs.map((pair): [string, unknown] => {
    const [key = '', value = ''] = pair.split('</arg_key>');
    const [inside = ''] = value.replace(/^\s*<arg_value>/, '').split('</arg_value>');
    return [key.trim(), valueOf(inside, typeOf(tool, key.trim()))];
  });
  return withArguments(name.trim(), entries);
}

function withArguments(name: string, entries: readonly (readonly [string, unknown])[]): TextCall {
  return { name, arguments: JSON.stringify(Object.fromEntries(entries)) };
}

function unquoted(text: string): string {
  return text.replaceAll(/^["']|["']$/g, '');
}

/** @returns what the schema says about the type of an argument */
function typeOf(tool: Tool | undefined, parameter: string): unknown {
  const properties = tool?.parameters?.['properties'];
  const schema = isObject(properties) && Object.hasOwn(properties, parameter) ? properties[parameter] : undefined;
  return isObject(schema) ? schema['type'] : undefined;
}

const pythonConstants: ReadonlyMap<string, unknown> = new Map<string, unknown>([
  ['True', true],
  ['False', false],
  ['None', null],
]);

/** Texts are not quoted in these formats; all other values are JSON, or constants of Python. */
function valueOf(raw: string, type: unknown): unknown {
  const text = raw.replaceAll(/^\r?\n|\r?\n$/g, '');
  if (type === 'string') return text;
  const constant = pythonConstants.get(text.trim());
  if (constant !== undefined) return constant;
  try {
    return parseExact(text);
  } catch {
    return text;
  }
}
