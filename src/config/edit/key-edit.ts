import { type Document, isAlias, isMap, isSeq, type YAMLMap, type YAMLSeq } from 'yaml';
import type { FileConfig, KeyConfig } from '../schema.ts';

/** A change to `keys` in a configuration file. */
export type KeyEdit =
  | { readonly kind: 'add'; readonly key: KeyConfig }
  | { readonly kind: 'remove'; readonly name: string }
  | {
      readonly kind: 'rotate';
      readonly name: string;
      readonly hash: string;
      /** The previous secrets that stay valid for a while. */
      readonly retiring: NonNullable<KeyConfig['retiring']>;
    };

/** Applies an edit to a parsed configuration. @returns a copy */
export function applyToConfig(config: FileConfig, edit: KeyEdit): FileConfig {
  return { ...config, keys: applyToKeys(config.keys, edit) };
}

function applyToKeys(keys: readonly KeyConfig[], edit: KeyEdit): KeyConfig[] {
  switch (edit.kind) {
    case 'add':
      return [...keys, edit.key];
    case 'remove':
      return keys.filter(({ name }) => name !== edit.name);
    case 'rotate':
      return keys.map((key) => {
        if (key.name !== edit.name) return key;
        const { retiring: _, ...rest } = key;
        return { ...rest, hash: edit.hash, ...(edit.retiring.length > 0 && { retiring: edit.retiring }) };
      });
    default:
      return edit satisfies never;
  }
}

/**
 * Applies an edit to the YAML document of a file, in place. When the document is written out, every setting and comment is
 * still there, but the layout may change.
 */
export function applyToDocument(document: Document, edit: KeyEdit): void {
  if (edit.kind === 'add') {
    const keys = keysNode(document);
    if (keys === undefined) document.set('keys', document.createNode([edit.key]));
    else keys.add(document.createNode(edit.key));
    return;
  }
  const found = findKey(document, edit.name);
  if (found === undefined) return;
  if (edit.kind === 'remove') {
    found.keys.delete(found.index);
    return;
  }
  found.key.set('hash', edit.hash);
  found.key.delete('retiring');
  const retiring = retiringToWrite(edit);
  if (retiring !== undefined) found.key.set('retiring', document.createNode(retiring));
}

/** @returns the value of `retiring`: without a list if there is only one, as earlier versions read it; undefined for none */
export function retiringToWrite({ retiring }: KeyEdit & { readonly kind: 'rotate' }): object | undefined {
  return retiring.length > 1 ? retiring : retiring[0];
}

/** @returns the node of the `keys` list; undefined when the file has none, or something else in its place */
export function keysNode(document: Document): YAMLSeq | undefined {
  const keys = isMap(document.contents) ? resolveAlias(document, document.contents.get('keys', true)) : undefined;
  return isSeq(keys) ? keys : undefined;
}

/** Finds the entry of `keys` with this name. @returns the entry, its list and its index in the list */
export function findKey(
  document: Document,
  name: string,
): { readonly keys: YAMLSeq; readonly key: YAMLMap; readonly index: number } | undefined {
  const keys = keysNode(document);
  if (keys === undefined) return undefined;
  for (const [index, item] of keys.items.entries()) {
    const key = resolveAlias(document, item);
    if (isMap(key) && nameOf(document, key) === name) return { keys, key, index };
  }
  return undefined;
}

function nameOf(document: Document, key: YAMLMap): unknown {
  const name = resolveAlias(document, key.get('name', true)) as { readonly value?: unknown } | undefined;
  return name?.value;
}

function resolveAlias(document: Document, node: unknown): unknown {
  return isAlias(node) ? node.resolve(document) : node;
}
