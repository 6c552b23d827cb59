import { jsonrepair } from 'jsonrepair';
import { isObject, parseExact } from '../framing/json.ts';

/** Characters of arguments that are mended. The time for some broken texts grows with the square of their length. */
const maxBroken = 32 * 1024;

/** Escapes that JSON or JavaScript have, and any other one. A model that writes `\d` means a backslash and a d. */
const escapes = /\\(?:["'`\\/bfnrt\n]|u[\da-fA-F]{4})|\\/g;

const openingFence = /^\s*```\w*/;
const closingFence = /```\s*$/;

/**
 * Mends the arguments of a tool call that are not JSON but leave no doubt: a missing bracket, a comma too many, single quotes, a
 * code fence, Python's constants, line breaks in a string, or the JSON of the object as a string.
 *
 * @returns the JSON of an object, in which numbers keep all digits; undefined for arguments that are JSON already, and for those
 *   that cannot be mended without adding a value: a text that breaks off would be taken for the whole one
 */
export function mendArguments(text: string): string | undefined {
  const parsed = parsedOrUndefined(text);
  if (typeof parsed === 'string') {
    return isObject(parsedOrUndefined(parsed)) ? parsed : mendArguments(parsed);
  }
  if (parsed !== undefined) return undefined;
  const mended = mendJson(text);
  const value = mended === undefined ? undefined : parsedOrUndefined(mended);
  if (mended === undefined || value === undefined) return undefined;
  if (typeof value === 'string') return mendArguments(mended);
  return isObject(value) ? mended : undefined;
}

/**
 * Mends JSON of any form that has an object in it, as `mendArguments` does.
 *
 * @returns undefined for a text that cannot be mended without adding a value
 */
export function mendJson(text: string): string | undefined {
  if (!mayBeMended(text)) return undefined;
  const mended = repaired(text);
  return mended === undefined || addsValue(text, mended) ? undefined : mended;
}

function parsedOrUndefined(text: string): unknown {
  try {
    return parseExact(text);
  } catch {
    return undefined;
  }
}

function mayBeMended(text: string): boolean {
  return text.length <= maxBroken && text.includes('{') && !endsInString(text) && !hasEllipsis(text);
}

function repaired(text: string): string | undefined {
  try {
    const bare = text.replace(openingFence, '').replace(closingFence, '');
    return jsonrepair(bare.replace(escapes, (escape) => (escape === '\\' ? String.raw`\\` : escape))).trim();
  } catch {
    // JSONRepairError, or RangeError for a text that is nested too deeply.
    return undefined;
  }
}

/** True for dots in place of values: an example, not arguments. */
function hasEllipsis(text: string): boolean {
  return /(?:^|[\s{[,:])(?:\.{3}|…)/.test(text.replaceAll(/"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'/g, '""'));
}

/** True if the text breaks off within a string, in quotes of either kind. */
function endsInString(text: string): boolean {
  let open = '';
  for (let at = 0; at < text.length; at += 1) {
    const character = text.charAt(at);
    if (character === '\\') at += 1;
    else if (open === '' && (character === '"' || character === "'")) open = character;
    else if (open === character) open = '';
  }
  return open !== '';
}

/** True for null in place of a value that is missing, and for an object of which only the beginning is there. */
function addsValue(text: string, mended: string): boolean {
  if (/^\{\s*\}$/.test(mended)) return !/\{\s*\}/.test(text);
  return /\bnull\b/.test(mended) && !/\b(?:null|None|undefined)\b/.test(text);
}
