import { isObject, parseExact, textIn } from '../../framing/json.ts';
import { mendArguments, mendJson } from '../mend-arguments.ts';
import { readPython } from './python-calls.ts';
import { hasTags, readTags } from './tagged-calls.ts';
import { isCallObject, mayBeArguments } from './call-objects.ts';
import type { TextCall } from '../text-call.ts';
import type { ToolNames } from '../tool-names.ts';

/** Calls that one text may have. */
const maxCalls = 128;

/** Tokens around calls that say nothing about them. */
const noise = String.raw`<\|(?:eom_id|eot_id|python_tag|tool_call|\/tool_call|end_of_text)\|>|<\/?tool_calls?>`;
const leading = new RegExp(String.raw`^(?:\s|${noise}|functools(?=\[)|Action:)*`);
const trailing = new RegExp(`(?:${noise})$`);
const fences = /^\s*```\w*|```\s*$/g;

/**
 * Reads the text between the marks of calls, in any of the formats.
 *
 * @param isStrict true for a text without marks, which is a call only if it can be nothing else
 * @returns undefined if any of it cannot be read, or calls a tool that nobody offers
 */
export function readCalls(body: string, names: ToolNames, isStrict: boolean): readonly TextCall[] | undefined {
  const read = readAny(withoutNoise(body), { names, isStrict });
  if (read === undefined || read.length === 0 || read.length > maxCalls) return undefined;
  const calls: TextCall[] = [];
  for (const call of read) {
    const tool = call === undefined ? undefined : names.find(call.name);
    const args = call === undefined ? undefined : objectText(call.arguments);
    if (tool === undefined || args === undefined || !mayBeArguments(args, tool, isStrict)) return undefined;
    calls.push({ name: tool.name, arguments: args });
  }
  return calls;
}

function withoutNoise(body: string): string {
  let text = body.replace(leading, '').trimEnd();
  for (let turn = 0; turn < 3; turn += 1) text = text.replace(trailing, '').trimEnd();
  return text;
}

type Read = readonly (TextCall | undefined)[];

interface Reading {
  readonly names: ToolNames;
  readonly isStrict: boolean;
}

function readAny(body: string, reading: Reading): Read | undefined {
  if (hasTags(body)) return readTags(body, reading.names);
  const bare = body.replaceAll(fences, '').trim();
  return readSplit(bare) ?? readNamed(bare) ?? readPython(bare) ?? readJson(bare, reading);
}

/** @returns the JSON of an object, mended if that leaves no doubt */
function objectText(text: string): string | undefined {
  const args = mendArguments(text) ?? (text.trim() === '' ? '{}' : text);
  return isObject(parsed(args)) ? args : undefined;
}

function parsed(text: string): unknown {
  try {
    return parseExact(text);
  } catch {
    return undefined;
  }
}

/** DeepSeek, Kimi and harmony: each call begins with a mark, and another one stands between its name and its arguments. */
const starts = /<[｜|]tool[▁_]call[▁_]begin[｜|]>|<\|channel\|>commentary to=|<\|start\|>assistant to=/;
const ends = /<[｜|]tool[▁_]call[▁_]end[｜|]>[^]*|<\|(?:call|end)\|>[^]*/;
const separators =
  /<[｜|]tool[▁_]sep[｜|]>|<\|tool_call_argument_begin\|>|(?:<\|channel\|>\w* ?)?(?:<\|constrain\|>\w* ?|json ?)?<\|message\|>/;

function readSplit(body: string): Read | undefined {
  if (!starts.test(body)) return undefined;
  const pieces = body.split(new RegExp(starts, 'g')).map((piece) => piece.replace(ends, '').trim());
  return pieces.filter((piece) => piece !== '').map(readPiece);
}

function readPiece(piece: string): TextCall | undefined {
  const [first = '', ...others] = piece.split(separators);
  const rest = others.join('').trim();
  // DeepSeek V3 writes the type first, then the name and a code fence; V3.1 the name and the JSON.
  if (first.trim() === 'function') return readNamed(rest)?.[0];
  const name = first.trim().split(/\s/)[0]?.replace(/:\d+$/, '') ?? '';
  return name === '' ? undefined : { name, arguments: rest.replaceAll(fences, '') };
}

const named = /^(?:call:)?([\w.:-]+)(?:\s*\[CALL_ID\][\w-]*)?(?:\s*\[ARGS\])?\s*(?:```\w*\s*)?(\{[^]*?)(?:```\s*)?$/;

/** `NAME{…}`, `NAME[ARGS]{…}`, and Gemma's `call:NAME{…}`, in which a mark stands for each quote. */
function readNamed(body: string): Read | undefined {
  // GLM writes nothing else for a call without arguments.
  if (/^[\w.:-]+$/.test(body)) return [{ name: body, arguments: '{}' }];
  const [, name = '', args = ''] = named.exec(body) ?? [];
  if (name === '') return undefined;
  return [{ name, arguments: args.replaceAll(/<escape>|<\|"\|>/g, '"') }];
}

function readJson(text: string, { names, isStrict }: Reading): Read | undefined {
  const value = jsonOf(text);
  const values = Array.isArray(value) ? value : value === undefined ? severalIn(text) : [value];
  // Without arguments, what was mended may have lost them.
  if ((isStrict || value === undefined || parsed(text) === undefined) && values?.every(isCallObject) === false)
    return undefined;
  return values?.flatMap((one) => callsOf(one, names));
}

/** @returns the values of a text of several, on lines of their own or with `;` between them; undefined for any other text */
function severalIn(text: string): unknown[] | undefined {
  const parts = text.split(/(?<=\})[\s;,]*(?=\{\s*"(?:name|tool|function|type)\b)/);
  return parts.length < 2 ? undefined : parts.map(jsonOf);
}

function jsonOf(text: string): unknown {
  const value = parsed(text) ?? parsed(mendJson(text) ?? '');
  return typeof value === 'string' ? parsed(value) : value;
}

function callsOf(value: unknown, names: ToolNames): Read {
  if (!isObject(value)) return [undefined];
  const listed = value['tool_calls'] ?? value['tool_call'];
  if (Array.isArray(listed)) return listed.map(toCall);
  return isObject(listed) ? [toCall(listed)] : [toCall(value) ?? keyedCall(value, names)];
}

function toCall(value: unknown): TextCall | undefined {
  if (!isObject(value)) return undefined;
  const { function: called } = value;
  const fields = isObject(called) ? called : value;
  const name = [fields['name'], value['tool_name'], value['tool'], value['recipient_name'], called]
    .map(textIn)
    .find((text) => text !== '');
  if (name === undefined) return undefined;
  const args = fields['arguments'] ?? fields['parameters'] ?? fields['args'] ?? fields['input'] ?? {};
  return { name, arguments: typeof args === 'string' ? args : JSON.stringify(args) };
}

/** Apertus writes `{"NAME": {…}}`. */
function keyedCall(value: Readonly<Record<string, unknown>>, names: ToolNames): TextCall | undefined {
  const [entry, ...others] = Object.entries(value);
  if (entry === undefined || others.length > 0 || !isObject(entry[1])) return undefined;
  return names.find(entry[0]) && { name: entry[0], arguments: JSON.stringify(entry[1]) };
}
