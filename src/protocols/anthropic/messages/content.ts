import type { Image, JsonObject } from '../../../chat/request.ts';
import { invalidValue } from '../../../errors.ts';
import { readDataUri } from '../../../images/data-uri.ts';
import { array, object, oneOf, required, string } from '../../fields.ts';
import type { DroppedFields } from '../../dropped-fields.ts';
import { passOver } from './pass-over.ts';
import { noteUnread } from './unread.ts';

/** What a model can be given of a content, each in its order. */
export interface Content {
  readonly texts: string[];
  readonly images: Image[];
}

/** One block of a content. */
export interface Block {
  readonly type: string;
  readonly fields: JsonObject;
  readonly path: string;
}

/** The blocks of a content; a string stands for one block of text. @throws {GatewayError} 400 */
export function blocksOf(value: unknown, path: string): Block[] {
  if (typeof value === 'string') return [{ type: 'text', fields: { type: 'text', text: value }, path }];
  if (!Array.isArray(value)) throw invalidValue(path, `${path} must be a string or an array of blocks.`);
  return value.map((item: unknown, index) => {
    const blockPath = `${path}[${index}]`;
    const fields = required(object(item, blockPath), blockPath);
    return { type: textIn(fields, 'type', blockPath), fields, path: blockPath };
  });
}

/**
 * Reads text, images, documents and search results; passes over what only Anthropic's own models can use.
 *
 * @throws {GatewayError} 400 for any other block
 * @see https://platform.claude.com/docs/en/api/messages (content)
 */
export function readContent(blocks: readonly Block[], ledger: DroppedFields): Content {
  const content: Content = { texts: [], images: [] };
  for (const block of blocks) {
    const { type, fields, path } = block;
    switch (type) {
      case 'text':
        noteUnread(ledger, prefix, fields, ['type', 'text']);
        content.texts.push(textIn(fields, 'text', path));
        break;
      case 'image':
        noteUnread(ledger, prefix, fields, ['type', 'source']);
        content.images.push(readImage(fields['source'], `${path}.source`));
        break;
      case 'document':
        readDocument(block, content, ledger);
        break;
      case 'search_result':
        readSearchResult(block, content, ledger);
        break;
      default:
        passOver(type, path, ledger);
    }
  }
  return content;
}

export const prefix = 'messages.content.';

export function textIn(fields: JsonObject, name: string, path: string): string {
  return required(string(fields[name], `${path}.${name}`), `${path}.${name}`);
}

function readImage(value: unknown, path: string): Image {
  const source = required(object(value, path), path);
  const type = required(oneOf(source['type'], `${path}.type`, ['base64', 'url']), `${path}.type`);
  if (type === 'base64') {
    const mediaTypes = ['image/jpeg', 'image/png', 'image/gif', 'image/webp'] as const;
    const mediaType = oneOf(source['media_type'], `${path}.media_type`, mediaTypes);
    const head = `data:${required(mediaType, `${path}.media_type`)};base64,`;
    return { base64: readDataUri(head + textIn(source, 'data', path), `${path}.data`) };
  }
  const param = `${path}.url`;
  const url = textIn(source, 'url', path);
  return /^https?:/i.test(url) ? { url, param } : { base64: readDataUri(url, param) };
}

/** The text of a document stands below its title and its context. No other kind of document can be read here. */
function readDocument({ fields, path }: Block, { texts, images }: Content, ledger: DroppedFields): void {
  noteUnread(ledger, prefix, fields, ['type', 'source', 'title', 'context', 'citations']);
  noteCitations(fields, path, ledger);
  const sourcePath = `${path}.source`;
  const source = required(object(fields['source'], sourcePath), sourcePath);
  const parts = ['title', 'context'].map((name) => string(fields[name], `${path}.${name}`) ?? '');
  const type = textIn(source, 'type', sourcePath);
  if (type === 'text') {
    parts.push(textIn(source, 'data', sourcePath));
  } else if (type === 'content') {
    const within = readWithin(source['content'], `${sourcePath}.content`, ['text', 'image'], ledger);
    parts.push(within.texts.join('\n'));
    for (const image of within.images) images.push(image);
  } else {
    throw invalidValue(
      `${sourcePath}.type`,
      `${sourcePath}.type must be text or content. Other documents are not supported.`,
    );
  }
  texts.push(parts.filter((text) => text !== '').join('\n'));
}

function readSearchResult({ fields, path }: Block, { texts }: Content, ledger: DroppedFields): void {
  noteUnread(ledger, prefix, fields, ['type', 'source', 'title', 'content', 'citations']);
  noteCitations(fields, path, ledger);
  const contentPath = `${path}.content`;
  required(array(fields['content'], contentPath), contentPath);
  const within = readWithin(fields['content'], contentPath, ['text'], ledger);
  texts.push([textIn(fields, 'title', path), textIn(fields, 'source', path), ...within.texts].join('\n'));
}

function readWithin(value: unknown, path: string, types: readonly string[], ledger: DroppedFields): Content {
  const blocks = blocksOf(value, path);
  for (const block of blocks) oneOf(block.type, `${block.path}.type`, types);
  return readContent(blocks, ledger);
}

function noteCitations(fields: JsonObject, path: string, ledger: DroppedFields): void {
  ledger.note(`${prefix}citations`, object(fields['citations'], `${path}.citations`)?.['enabled']);
}
