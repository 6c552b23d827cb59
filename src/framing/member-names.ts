import { endOfString, quote } from './depth.ts';
import { foldedName, isObject } from './json.ts';

const backslash = 0x5c;
const colon = 0x3a;
const openBrace = 0x7b;
const closeBrace = 0x7d;

/** The member names in a JSON text, found without parsing it. */
interface MemberNames {
  /** Number of members of all objects, including repeated names. */
  readonly count: number;
  /**
   * True when a name contains an escape. V8 13.6 can misread such a name: after it has parsed an object with the members `a`
   * and `mod\u`, it reads the second name in `{"a":1,"mod\u0065l":2}` as `mod\u`.
   */
  readonly areEscaped: boolean;
}

/** @param json a text that `JSON.parse` accepts, as UTF-8 */
export function memberNames(json: Buffer): MemberNames {
  let [count, start, end] = [0, 0, 0];
  let areEscaped = false;
  for (let at = 0; at < json.length; at += 1) {
    const byte = json[at];
    if (byte === quote) {
      start = at;
      end = endOfString(json, at);
      at = end;
    } else if (byte === colon) {
      count += 1;
      areEscaped ||= hasBackslash(json, start, end);
    }
  }
  return { count, areEscaped };
}

/**
 * Finds a member name that occurs twice in one object. Parsers disagree on which one counts: with Go's, for example, null does
 * not replace an earlier value.
 *
 * @param json a text that `JSON.parse` accepts, as UTF-8
 * @param parsed the parsed text
 * @param fields fields of the outermost object to check, in lower case. Absent: all names of all objects
 * @returns the path of the first repeated name; undefined if there is none
 */
export function repeatedName(
  json: Buffer,
  parsed: unknown,
  { count }: MemberNames,
  fields?: ReadonlySet<string>,
): readonly string[] | undefined {
  // Counting costs a fraction of the search, which stores every name.
  return count > namesIn(parsed) ? search(json, fields) : undefined;
}

/** Counts the members of all parsed objects. A parser keeps one of two members with the same name. */
function namesIn(value: unknown): number {
  let names = 0;
  if (Array.isArray(value)) for (const item of value as unknown[]) names += namesIn(item);
  else if (isObject(value)) for (const name in value) names += 1 + namesIn(value[name]);
  return names;
}

/** An object or array around the current position. */
interface Level {
  /** The names so far; undefined for an array. */
  readonly names: Set<string> | undefined;
  /** The last name. */
  name: string;
}

function search(json: Buffer, fields: ReadonlySet<string> | undefined): readonly string[] | undefined {
  const levels: Level[] = [];
  for (let at = 0; at < json.length; at += 1) {
    const byte = json[at] ?? 0;
    if (byte === quote) {
      const end = endOfString(json, at);
      const level = levels.at(-1);
      if (level?.names !== undefined && isFollowedByColon(json, end) && (fields === undefined || levels.length === 1)) {
        level.name = JSON.parse(json.toString('utf8', at, end + 1)) as string;
        if (level.names.has(level.name) && fields?.has(foldedName(level.name)) !== false) return pathOf(levels);
        level.names.add(level.name);
      }
      at = end;
    } else if (isOpening(byte)) {
      levels.push({ names: byte === openBrace ? new Set() : undefined, name: '' });
    } else if (isClosing(byte)) {
      levels.pop();
    }
  }
  return undefined;
}

function pathOf(levels: readonly Level[]): string[] {
  return levels.filter(({ names }) => names !== undefined).map(({ name }) => name);
}

function hasBackslash(json: Buffer, start: number, end: number): boolean {
  for (let at = start; at < end; at += 1) if (json[at] === backslash) return true;
  return false;
}

function isFollowedByColon(json: Buffer, end: number): boolean {
  let at = end + 1;
  while ((json[at] ?? 0) <= 0x20 && at < json.length) at += 1;
  return json[at] === colon;
}

/** `{` and `[` differ only in this bit. */
function isOpening(byte: number): boolean {
  return (byte | 0x20) === openBrace;
}

function isClosing(byte: number): boolean {
  return (byte | 0x20) === closeBrace;
}
