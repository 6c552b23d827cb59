import {
  type Document,
  type Pair,
  type YAMLMap,
  type YAMLSeq,
  isCollection,
  isMap,
  isNode,
  isPair,
  stringify,
} from 'yaml';
import { type KeyEdit, findKey, keysNode, retiringToWrite } from './key-edit.ts';

/** Replaces the text between two offsets. */
interface Replacement {
  readonly from: number;
  readonly to: number;
  readonly text: string;
}

/**
 * Applies an edit to the text of a configuration file and leaves every other byte as it is. Writing out the parsed document
 * instead would move comments.
 *
 * @param document the text, parsed with its source tokens
 * @returns undefined when `keys` is not laid out the way `llamaduct keys new` prints it
 */
export function spliceText(text: string, document: Document, edit: KeyEdit): string | undefined {
  switch (edit.kind) {
    case 'add':
      return addKey(text, document, edit.key);
    case 'remove':
      return removeKey(text, document, edit.name);
    case 'rotate':
      return rotateKey(text, document, edit);
    default:
      return edit satisfies never;
  }
}

function addKey(text: string, document: Document, key: object): string | undefined {
  const { contents } = document;
  const pair = isMap(contents) ? pairOf(contents, 'keys') : undefined;
  if (pair === undefined) {
    if (isMap(contents) && contents.flow === true) return undefined;
    return insertLines(text, text.length, `keys:\n${toYaml([key], 2)}`);
  }
  const keys = keysNode(document);
  const last = keys?.items.at(-1);
  if (keys === undefined || last === undefined) return fillEmptyKeys(text, pair, key);
  if (keys.flow === true) return undefined;
  const indent = columnOf(text, startOf(keys));
  return insertLines(text, endOfEntry(text, last, indent), toYaml([key], indent));
}

/** Replaces the value of `keys`, such as `[]`, by a list that holds only `key`. */
function fillEmptyKeys(text: string, pair: Pair, key: object): string | undefined {
  const range = isNode(pair.value) ? pair.value.range : undefined;
  if (range === undefined || range === null) return undefined;
  const without = text.slice(0, range[0]).trimEnd() + text.slice(range[1]);
  return insertLines(without, endOfLine(without, startOf(pair.key)), toYaml([key], 2));
}

function removeKey(text: string, document: Document, name: string): string | undefined {
  const found = findKey(document, name);
  const dash = found && dashOffset(found.keys, found.index);
  if (found === undefined || dash === undefined) return undefined;
  const from = dash - columnOf(text, dash);
  const without = text.slice(0, from) + text.slice(endOfEntry(text, found.keys.items[found.index], dash - from));
  if (found.keys.items.length > 1) return without;
  // Without an explicit [], `keys:` would be null.
  const colon = text.lastIndexOf(':', startOf(found.keys));
  return `${without.slice(0, colon + 1)} []${without.slice(colon + 1)}`;
}

function rotateKey(text: string, document: Document, edit: KeyEdit & { kind: 'rotate' }): string | undefined {
  const key = findKey(document, edit.name)?.key;
  const hash = key && pairOf(key, 'hash')?.value;
  if (key === undefined || key.flow === true || !isNode(hash) || !hash.range) return undefined;
  const [hashStart, hashEnd] = hash.range;
  const indent = columnOf(text, startOf(key));
  const replacements: (Replacement | undefined)[] = [{ from: hashStart, to: hashEnd, text: edit.hash }];
  const previous = pairOf(key, 'retiring');
  if (previous !== undefined) replacements.push(entryRemoval(text, previous, indent));
  const retiring = retiringToWrite(edit);
  if (retiring !== undefined) replacements.push(insertionBelow(text, hashEnd, toYaml({ retiring }, indent)));
  const possible = replacements.filter((replacement) => replacement !== undefined);
  return possible.length < replacements.length ? undefined : applyReplacements(text, possible);
}

/** @returns undefined when the entry is on the line of the dash, which has to stay */
function entryRemoval(text: string, entry: Pair, indent: number): Replacement | undefined {
  const start = startOf(entry.key);
  const from = start - indent;
  if (text.slice(from, start).trim() !== '') return undefined;
  return { from, to: endOfEntry(text, entry, indent), text: '' };
}

/** @returns undefined when the line of `offset` is the last one and has no line break */
function insertionBelow(text: string, offset: number, lines: string): Replacement | undefined {
  const at = endOfLine(text, offset);
  if (at === text.length && !text.endsWith('\n')) return undefined;
  return { from: at, to: at, text: lines };
}

/**
 * Applies the replacements from the last to the first, so that none shifts the offsets of another. Of two at one offset,
 * the insertion ends up first in the text.
 */
function applyReplacements(text: string, replacements: readonly Replacement[]): string {
  return replacements
    .toSorted((a, b) => b.from - a.from || b.to - a.to)
    .reduce((result, { from, to, text: inserted }) => result.slice(0, from) + inserted + result.slice(to), text);
}

function pairOf(map: YAMLMap, name: string): Pair | undefined {
  return map.items.find((pair) => String(pair.key) === name);
}

function toYaml(value: object, indent: number): string {
  return stringify(value, { lineWidth: 0 }).replace(/^(?=.)/gm, ' '.repeat(indent));
}

/** Inserts whole lines at `offset`; ends the line before them when it has no line break. */
function insertLines(text: string, offset: number, lines: string): string {
  const before = text.slice(0, offset);
  return `${before}${before === '' || before.endsWith('\n') ? '' : '\n'}${lines}${text.slice(offset)}`;
}

/** The offset at which a list or map entry ends, including comments below it that are indented more than `indent`. */
function endOfEntry(text: string, entry: unknown, indent: number): number {
  let end = endOfLine(text, endOfContent(entry));
  for (;;) {
    const next = endOfLine(text, end);
    const [, spaces = ''] = /^( *)#/.exec(text.slice(end, next)) ?? [];
    if (spaces.length <= indent) return end;
    end = next;
  }
}

/** The offset after the last character that is not a comment. The parser's own ranges include trailing comments. */
function endOfContent(node: unknown): number {
  if (isPair(node)) return Math.max(endOfContent(node.key), endOfContent(node.value));
  if (isCollection(node) && node.flow !== true && node.items.length > 0) return endOfContent(node.items.at(-1));
  return isNode(node) ? (node.range?.[1] ?? 0) : 0;
}

/** The offset of the dash of a list entry; undefined for a list in brackets. */
function dashOffset(keys: YAMLSeq, index: number): number | undefined {
  const { srcToken } = keys;
  if (srcToken?.type !== 'block-seq') return undefined;
  return srcToken.items[index]?.start.find(({ type }) => type === 'seq-item-ind')?.offset;
}

function startOf(node: unknown): number {
  return isNode(node) ? (node.range?.[0] ?? 0) : 0;
}

/** The number of characters before `offset` on its line. */
function columnOf(text: string, offset: number): number {
  return offset - (text.lastIndexOf('\n', offset - 1) + 1);
}

/** The offset after the line break that ends the line of `offset`. */
function endOfLine(text: string, offset: number): number {
  const end = text.indexOf('\n', offset);
  return end === -1 ? text.length : end + 1;
}
