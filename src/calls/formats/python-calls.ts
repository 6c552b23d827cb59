import { mendArguments } from '../mend-arguments.ts';
import { isObject, parseExact } from '../../framing/json.ts';
import type { TextCall } from '../text-call.ts';

const head = /\s*([A-Za-z_][\w.-]*)\(/y;
const separator = /[\s,;]*/y;

/**
 * Reads calls in Python: Llama's `[f(a="b", c=1), g()]`, OLMo's without brackets on lines of their own, Gemma's in `print`.
 *
 * @returns undefined for a text that is not in this format
 */
export function readPython(body: string): readonly TextCall[] | undefined {
  const text = withoutWrapper(body.trim());
  const calls: TextCall[] = [];
  for (let at = 0; at < text.length;) {
    head.lastIndex = at;
    const name = head.exec(text)?.[1];
    if (name === undefined) return undefined;
    const start = head.lastIndex;
    const end = indexAtTop(text, start, ')');
    const args = end === -1 ? undefined : keywordArguments(text.slice(start, end));
    if (args === undefined) return undefined;
    calls.push({ name: name.replace(/\.call$/, ''), arguments: args });
    separator.lastIndex = end + 1;
    separator.exec(text);
    at = separator.lastIndex;
  }
  return calls;
}

/** Takes the calls out of a list, whose closing bracket may be missing, or out of `print`. */
function withoutWrapper(text: string): string {
  if (text.startsWith('print(') && text.endsWith(')')) return text.slice('print('.length, -1);
  if (!text.startsWith('[')) return text;
  return text.endsWith(']') ? text.slice(1, -1) : text.slice(1);
}

/** @returns the index of a character outside of brackets and strings, from `start`; -1 if there is none */
function indexAtTop(text: string, start: number, wanted: string): number {
  let depth = 0;
  let quote = '';
  for (let at = start; at < text.length; at += 1) {
    const character = text.charAt(at);
    if (quote !== '') {
      if (character === '\\') at += 1;
      else if (character === quote) quote = '';
    } else if (depth === 0 && character === wanted) return at;
    else if (character === '"' || character === "'") quote = character;
    else if ('([{'.includes(character)) depth += 1;
    else if (')]}'.includes(character)) depth -= 1;
  }
  return -1;
}

/** @returns the JSON of keyword arguments, whose values differ from JSON in quotes and constants only */
function keywordArguments(text: string): string | undefined {
  const members: string[] = [];
  for (let at = 0; at < text.length;) {
    const [start = '', name] = /^\s*([A-Za-z_]\w*)\s*=\s*/.exec(text.slice(at, at + 512)) ?? [];
    if (name === undefined) {
      if (text.slice(at).trim() === '') break;
      return undefined;
    }
    const from = at + start.length;
    const end = indexAtTop(text, from, ',');
    members.push(`${JSON.stringify(name)}: ${text.slice(from, end === -1 ? undefined : end)}`);
    at = end === -1 ? text.length : end + 1;
  }
  const json = `{${members.join(', ')}}`;
  return mendArguments(json) ?? (isJsonObject(json) ? json : undefined);
}

function isJsonObject(text: string): boolean {
  try {
    return isObject(parseExact(text));
  } catch {
    return false;
  }
}
