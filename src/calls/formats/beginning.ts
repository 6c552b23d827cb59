import type { Mark } from './marks.ts';
import { type ToolNames, maxNameLength } from '../tool-names.ts';

/** Characters in which it shows whether a text may be a call, its mark included. */
export const maxBeginning = 512;

/** A call ends with its brackets, or with a mark. */
export type Form = 'brackets' | 'marks';

/** `text` for what is no call; undefined while more of it has to be seen. A longer text never changes a decision. */
export type Decision = Form | 'text' | undefined;

/** Beginnings of calls that stand within another mark. */
const inner = ['<function=', '<invoke', '<arg_key>', '<|python_tag|>'];

/** @param rest the text after the opening of a mark */
export function decideAfterMark(mark: Mark, rest: string, names: ToolNames): Decision {
  if (mark.isPart === true) return mark.isToken === true ? 'marks' : decideAttribute(rest, names);
  const body = rest.trimStart();
  const first = body.charAt(0);
  if (first === '') return undefined;
  if ('{["\''.includes(first)) return decideJson(body, names);
  if (first === '<') return mark.isToken === true ? 'marks' : decidePrefix(body, inner, 'marks');
  if (first === '`') return decideFence(body);
  return decideNamed(body, mark, names);
}

/** Decides on the beginning of JSON, or of a list of Python's calls. */
function decideJson(body: string, names: ToolNames): Decision {
  const next = body.slice(1).trimStart();
  if (next === '') return undefined;
  const first = body.charAt(0);
  if (first === '{') return /^["'{}\w]/.test(next) ? 'brackets' : 'text';
  if (first !== '[') return next.startsWith('{') || next.startsWith('\\') ? 'brackets' : 'text';
  return '{["\''.includes(next.charAt(0)) ? 'brackets' : decideCall(next, names);
}

/** Decides on `NAME`, after which its arguments begin. */
function decideNamed(body: string, mark: Mark, names: ToolNames): Decision {
  const [, prefix = '', word = ''] = /^((?:call:)?)([\w.:-]*)/.exec(body) ?? [];
  const rest = body.slice(prefix.length + word.length);
  if (rest === '') return word.length > maxNameLength ? 'text' : undefined;
  if (names.find(word.replace(/\.call$/, '')) === undefined) return 'text';
  const next = rest.trimStart();
  if (next === '') return undefined;
  if (!'{[<(`'.includes(next.charAt(0)) && !next.startsWith('json')) return 'text';
  return mark.close.length === 0 ? 'brackets' : 'marks';
}

/** Decides by the name in `<function=NAME>` or `<invoke name="NAME">`. */
function decideAttribute(rest: string, names: ToolNames): Decision {
  const [, name = '', end = ''] = /^["']?([^"'>\s]*)(["'>\s]?)/.exec(rest) ?? [];
  if (end === '') return name.length > maxNameLength ? 'text' : undefined;
  if (names.find(name) === undefined) return 'text';
  const [, next = ''] = /^["']?[^"'>\s]*["']?\s*>?\s*([^]*)$/.exec(rest) ?? [];
  if (next === '') return undefined;
  return next.startsWith('{') ? 'marks' : decidePrefix(next, ['<parameter', '</function>', '</invoke>'], 'marks');
}

function decidePrefix(text: string, prefixes: readonly string[], form: Form): Decision {
  if (prefixes.some((prefix) => text.startsWith(prefix))) return form;
  return prefixes.some((prefix) => prefix.startsWith(text)) ? undefined : 'text';
}

function decideFence(body: string): Decision {
  const [, rest = ''] = /^`{1,3}\w*\s*([^]*)$/.exec(body) ?? [];
  if (rest === '') return /^`{1,3}\w*\s*$/.test(body) ? undefined : 'text';
  return '{['.includes(rest.charAt(0)) ? 'brackets' : 'text';
}

/** Command-R's word, Phi's function, or a code fence may stand before a call without a mark. */
const lead = /^(?:Action:)?(?:functools)?(?:```(?:tool_calls?|tool_code|json)?)?/;
const words = ['Action:', 'functools'];
const fence = '```';
const languages = ['tool_calls', 'tool_code', 'json'];

/** Members with which the JSON of a call begins. */
const nameKeys = ['name', 'tool_name', 'tool', 'function', 'recipient_name'];
const objectKeys = ['tool_call', 'tool_calls', 'arguments', 'parameters', 'function'];
const firstKeys = [...nameKeys, ...objectKeys, 'type'];

/**
 * Decides on a call without a mark: JSON that begins with the name of a tool, or Python, in a code fence or not.
 *
 * @param isFirst true if nothing precedes it: after a text, only what some models write in front of calls makes it one
 */
export function decideBare(text: string, names: ToolNames, isFirst: boolean): Decision {
  const compact = text.replaceAll(/\s/g, '');
  const [before = ''] = lead.exec(compact) ?? [];
  const rest = compact.slice(before.length);
  if (mayContinue(before, rest)) return undefined;
  if (!isFirst && !/^(?:Action|functools|```tool)/.test(before)) return 'text';
  if (before.endsWith('tool_code')) return decideCall(rest.replace(/^print\(/, ''), names);
  const list = rest.startsWith('[') ? rest.slice(1) : rest;
  if (list.startsWith('{')) return decideObject(list.slice(1), names);
  return list === rest ? 'text' : decideCall(list, names);
}

/** True if `rest` may be the beginning of more that may stand before a call. */
function mayContinue(before: string, rest: string): boolean {
  const next = before === '' ? [...words, fence] : before.endsWith(fence) ? languages : [fence];
  return rest === '' || next.some((one) => one.startsWith(rest));
}

/** Decides on `NAME(`. */
function decideCall(text: string, names: ToolNames): Decision {
  const [name = ''] = /^[\w.-]*/.exec(text) ?? [];
  if (name === text) return name.length > maxNameLength ? 'text' : undefined;
  return text.charAt(name.length) === '(' && names.find(name) !== undefined ? 'brackets' : 'text';
}

function decideObject(text: string, names: ToolNames): Decision {
  const [whole = '', key = '', end = ''] = /^["']([A-Za-z_]*)(["']:)?/.exec(text) ?? [];
  if (text === '') return undefined;
  if (whole === '') return 'text';
  const rest = text.slice(whole.length);
  if (end === '') {
    const isKey = /^["']?$/.test(rest) && firstKeys.some((one) => one.startsWith(key));
    return isKey ? undefined : 'text';
  }
  return firstKeys.includes(key) ? decideValue(key, rest, names) : 'text';
}

function decideValue(key: string, value: string, names: ToolNames): Decision {
  if (value === '') return undefined;
  if ('{['.includes(value.charAt(0))) return objectKeys.includes(key) ? 'brackets' : 'text';
  const [whole = '', name = '', end = ''] = /^["']([^"']*)(["']?)/.exec(value) ?? [];
  if (whole === '') return 'text';
  if (end === '') return name.length > maxNameLength ? 'text' : undefined;
  if (key === 'type') return name === 'function' ? 'brackets' : 'text';
  return nameKeys.includes(key) && names.find(name) !== undefined ? 'brackets' : 'text';
}
