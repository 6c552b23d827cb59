import { type Document, type YAMLMap, type YAMLSeq, isCollection, isMap, isNode, isPair, stringify } from 'yaml';
import { type KeyEdit, findKey, keysOf } from './edit-keys.ts';

/**
 * Makes the edit in the text of a file, of which all else stays byte for byte: a tree that is written out moves comments.
 * @param document the text, parsed with its source tokens
 * @returns undefined where `keys` is laid out in another way than `llamaduct keys new` prints it
 */
export function spliceKeys(text: string, document: Document, edit: KeyEdit): string | undefined {
  switch (edit.kind) {
    case 'add':
      return added(text, document, edit.key);
    case 'remove':
      return removed(text, document, edit.name);
    case 'renew':
      return renewed(text, document, edit);
    default:
      return edit satisfies never;
  }
}

function added(text: string, document: Document, key: object): string | undefined {
  const { contents } = document;
  const pair = isMap(contents) ? contents.items.find((item) => String(item.key) === 'keys') : undefined;
  if (pair === undefined) {
    if (isMap(contents) && contents.flow === true) return undefined;
    return insert(text, text.length, `keys:\n${lines([key], 2)}`);
  }
  const keys = keysOf(document);
  const last = keys?.items.at(-1);
  if (keys !== undefined && last !== undefined) {
    if (keys.flow === true) return undefined;
    const indent = column(text, startOf(keys));
    return insert(text, endOfEntry(text, last, indent), lines([key], indent));
  }
  const range = isNode(pair.value) ? pair.value.range : undefined;
  if (range === undefined || range === null) return undefined;
  const without = text.slice(0, range[0]).trimEnd() + text.slice(range[1]);
  return insert(without, lineEnd(without, startOf(pair.key)), lines([key], 2));
}

function removed(text: string, document: Document, name: string): string | undefined {
  const found = findKey(document, name);
  const dash = found && dashOf(found.keys, found.index);
  if (found === undefined || dash === undefined) return undefined;
  const from = dash - column(text, dash);
  const without = text.slice(0, from) + text.slice(endOfEntry(text, found.keys.items[found.index], dash - from));
  if (found.keys.items.length > 1) return without;
  // An empty list has to be written as one.
  const colon = text.lastIndexOf(':', startOf(found.keys));
  return `${without.slice(0, colon + 1)} []${without.slice(colon + 1)}`;
}

function renewed(text: string, document: Document, edit: KeyEdit & { kind: 'renew' }): string | undefined {
  const key = findKey(document, edit.name)?.key;
  const hash = key && pairOf(key, 'hash')?.value;
  if (key === undefined || key.flow === true || !isNode(hash) || !hash.range) return undefined;
  const indent = column(text, startOf(key));
  const cuts = [{ from: hash.range[0], to: hash.range[1], text: edit.hash }];
  const retiring = pairOf(key, 'retiring');
  if (retiring !== undefined) {
    const from = startOf(retiring.key) - indent;
    // Not where it follows the dash.
    if (text.slice(from, from + indent).trim() !== '') return undefined;
    cuts.push({ from, to: endOfEntry(text, retiring, indent), text: '' });
  }
  if (edit.retiring !== undefined) {
    const at = lineEnd(text, hash.range[1]);
    if (at === text.length && !text.endsWith('\n')) return undefined;
    cuts.push({ from: at, to: at, text: lines({ retiring: edit.retiring }, indent) });
  }
  // From the last to the first, so that none moves another; of two at one place the insertion comes first in the text.
  return cuts
    .toSorted((a, b) => b.from - a.from || b.to - a.to)
    .reduce((all, cut) => all.slice(0, cut.from) + cut.text + all.slice(cut.to), text);
}

function pairOf(map: YAMLMap, name: string): YAMLMap['items'][number] | undefined {
  return map.items.find((pair) => String(pair.key) === name);
}

function lines(value: object, indent: number): string {
  return stringify(value, { lineWidth: 0 }).replace(/^(?=.)/gm, ' '.repeat(indent));
}

function insert(text: string, at: number, inserted: string): string {
  const before = text.slice(0, at);
  return `${before}${before === '' || before.endsWith('\n') ? '' : '\n'}${inserted}${text.slice(at)}`;
}

/** Where an entry of a list or a map ends: with the comments below it that are indented deeper than `indent`. */
function endOfEntry(text: string, entry: unknown, indent: number): number {
  let end = lineEnd(text, contentEnd(entry));
  for (;;) {
    const next = lineEnd(text, end);
    const [, spaces = ''] = /^( *)#/.exec(text.slice(end, next)) ?? [];
    if (spaces.length <= indent) return end;
    end = next;
  }
}

/** The offset behind the last character that is no comment; ranges of the parser go on over comments. */
function contentEnd(node: unknown): number {
  if (isPair(node)) return Math.max(contentEnd(node.key), contentEnd(node.value));
  if (isCollection(node) && node.flow !== true && node.items.length > 0) return contentEnd(node.items.at(-1));
  return isNode(node) ? (node.range?.[1] ?? 0) : 0;
}

function dashOf(keys: YAMLSeq, index: number): number | undefined {
  const { srcToken } = keys;
  if (srcToken?.type !== 'block-seq') return undefined;
  return srcToken.items[index]?.start.find(({ type }) => type === 'seq-item-ind')?.offset;
}

function startOf(node: unknown): number {
  return isNode(node) ? (node.range?.[0] ?? 0) : 0;
}

function column(text: string, offset: number): number {
  return offset - (text.lastIndexOf('\n', offset - 1) + 1);
}

/** Behind the line break after `offset`. */
function lineEnd(text: string, offset: number): number {
  const end = text.indexOf('\n', offset);
  return end === -1 ? text.length : end + 1;
}
