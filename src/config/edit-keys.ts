import { type Document, isAlias, isMap, isSeq, type YAMLMap, type YAMLSeq } from 'yaml';
import type { FileConfig, KeyConfig } from './schema.ts';

/** A change of `keys` in a configuration file. */
export type KeyEdit =
  | { readonly kind: 'add'; readonly key: KeyConfig }
  | { readonly kind: 'remove'; readonly name: string }
  | {
      readonly kind: 'renew';
      readonly name: string;
      readonly hash: string;
      /** The secret before, where it stays valid for a time. */
      readonly retiring?: NonNullable<KeyConfig['retiring']>;
    };

/** What a configuration is after the edit. */
export function withEdit(config: FileConfig, edit: KeyEdit): FileConfig {
  return { ...config, keys: editedKeys(config.keys, edit) };
}

function editedKeys(keys: readonly KeyConfig[], edit: KeyEdit): KeyConfig[] {
  switch (edit.kind) {
    case 'add':
      return [...keys, edit.key];
    case 'remove':
      return keys.filter(({ name }) => name !== edit.name);
    case 'renew':
      return keys.map((key) => {
        if (key.name !== edit.name) return key;
        const { retiring: _, ...rest } = key;
        return { ...rest, hash: edit.hash, ...(edit.retiring !== undefined && { retiring: edit.retiring }) };
      });
    default:
      return edit satisfies never;
  }
}

/** Makes the edit in the tree of a file. Written out, every setting and comment is there, but maybe laid out anew. */
export function editDocument(document: Document, edit: KeyEdit): void {
  if (edit.kind === 'add') {
    const keys = keysOf(document);
    const node = document.createNode(edit.key);
    if (keys === undefined) document.set('keys', document.createNode([edit.key]));
    else keys.add(node);
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
  if (edit.retiring !== undefined) found.key.set('retiring', document.createNode(edit.retiring));
}

/** The list of keys, where the file has one. */
export function keysOf(document: Document): YAMLSeq | undefined {
  const keys = isMap(document.contents) ? resolved(document, document.contents.get('keys', true)) : undefined;
  return isSeq(keys) ? keys : undefined;
}

/** The key of this name, its list, and where in it. */
export function findKey(
  document: Document,
  name: string,
): { readonly keys: YAMLSeq; readonly key: YAMLMap; readonly index: number } | undefined {
  const keys = keysOf(document);
  if (keys === undefined) return undefined;
  for (const [index, item] of keys.items.entries()) {
    const key = resolved(document, item);
    if (isMap(key) && resolvedText(document, key) === name) return { keys, key, index };
  }
  return undefined;
}

function resolvedText(document: Document, key: YAMLMap): unknown {
  const name = resolved(document, key.get('name', true)) as { readonly value?: unknown } | undefined;
  return name?.value;
}

function resolved(document: Document, node: unknown): unknown {
  return isAlias(node) ? node.resolve(document) : node;
}
