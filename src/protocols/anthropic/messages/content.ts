import type { Image, JsonObject } from '../../../chat/request.ts';
import { invalidValue } from '../../../errors.ts';
import { readDataUri } from '../../../images/data-uri.ts';
import type { DroppedFields } from '../../dropped-fields.ts';
import { array, object, oneOf, required, string } from '../../fields.ts';
import { readImageUrl } from '../../images.ts';
import { dropUnknown } from './unknown-fields.ts';
import { dropBlock } from './unsupported-blocks.ts';

/** The parts of a content that a model can be sent, each kind in its order. */
export interface Content {
  readonly texts: string[];
  readonly images: Image[];
}

/** One content block of a request. */
export interface Block {
  readonly type: string;
  readonly fields: JsonObject;
  readonly path: string;
}

/** The prefix of the names of dropped fields in blocks. */
export const blockPrefix = 'messages.content.';

/** Reads the types of a content's blocks. A string is one block of text. @throws {GatewayError} 400 with `param` */
export function readBlocks(value: unknown, path: string): Block[] {
  if (typeof value === 'string') return [{ type: 'text', fields: { type: 'text', text: value }, path }];
  if (!Array.isArray(value)) throw invalidValue(path, `${path} must be a string or an array of blocks.`);
  return value.map((item: unknown, index) => {
    const blockPath = `${path}[${index}]`;
    const fields = required(object, item, blockPath);
    return { type: required(string, fields['type'], `${blockPath}.type`), fields, path: blockPath };
  });
}

/**
 * Reads text, images, documents and search results. Drops blocks that only Anthropic's own models can use.
 *
 * @throws {GatewayError} 400 with `param` for any other block
 * @see https://platform.claude.com/docs/en/api/messages (content)
 */
export function readContent(blocks: readonly Block[], dropped: DroppedFields): Content {
  const content: Content = { texts: [], images: [] };
  for (const block of blocks) {
    const { type, fields, path } = block;
    switch (type) {
      case 'text':
        dropUnknown(dropped, blockPrefix, fields, ['type', 'text']);
        content.texts.push(required(string, fields['text'], `${path}.text`));
        break;
      case 'image':
        dropUnknown(dropped, blockPrefix, fields, ['type', 'source']);
        content.images.push(readImage(fields['source'], `${path}.source`));
        break;
      case 'document':
        readDocument(block, content, dropped);
        break;
      case 'search_result':
        readSearchResult(block, content, dropped);
        break;
      default:
        dropBlock(type, path, dropped);
    }
  }
  return content;
}

function readImage(value: unknown, path: string): Image {
  const source = required(object, value, path);
  const type = required(oneOf, source['type'], `${path}.type`, ['base64', 'url']);
  if (type === 'url') return readImageUrl(required(string, source['url'], `${path}.url`), `${path}.url`);
  const mediaTypes = ['image/jpeg', 'image/png', 'image/gif', 'image/webp'] as const;
  const mediaType = required(oneOf, source['media_type'], `${path}.media_type`, mediaTypes);
  const data = required(string, source['data'], `${path}.data`);
  return { base64: readDataUri(`data:${mediaType};base64,${data}`, `${path}.data`) };
}

/** Adds the text of a document after its title and its context. Documents that are not text cannot be read here. */
function readDocument({ fields, path }: Block, { texts, images }: Content, dropped: DroppedFields): void {
  dropUnknown(dropped, blockPrefix, fields, ['type', 'source', 'title', 'context', 'citations']);
  dropCitations(fields, path, dropped);
  const sourcePath = `${path}.source`;
  const source = required(object, fields['source'], sourcePath);
  const parts = ['title', 'context'].map((name) => string(fields[name], `${path}.${name}`) ?? '');
  const type = required(string, source['type'], `${sourcePath}.type`);
  if (type === 'text') {
    parts.push(required(string, source['data'], `${sourcePath}.data`));
  } else if (type === 'content') {
    const inner = readInnerContent(source['content'], `${sourcePath}.content`, ['text', 'image'], dropped);
    parts.push(inner.texts.join('\n'));
    for (const image of inner.images) images.push(image);
  } else {
    const typePath = `${sourcePath}.type`;
    throw invalidValue(typePath, `${typePath} must be text or content. Other documents are not supported.`);
  }
  texts.push(parts.filter((text) => text !== '').join('\n'));
}

/** Adds the text of a search result after its title and its source. */
function readSearchResult({ fields, path }: Block, { texts }: Content, dropped: DroppedFields): void {
  dropUnknown(dropped, blockPrefix, fields, ['type', 'source', 'title', 'content', 'citations']);
  dropCitations(fields, path, dropped);
  const blocks = required(array, fields['content'], `${path}.content`);
  const inner = readInnerContent(blocks, `${path}.content`, ['text'], dropped);
  const title = required(string, fields['title'], `${path}.title`);
  const source = required(string, fields['source'], `${path}.source`);
  texts.push([title, source, ...inner.texts].join('\n'));
}

/** @param types the types of blocks that may be in it */
function readInnerContent(value: unknown, path: string, types: readonly string[], dropped: DroppedFields): Content {
  const blocks = readBlocks(value, path);
  for (const block of blocks) oneOf(block.type, `${block.path}.type`, types);
  return readContent(blocks, dropped);
}

function dropCitations(fields: JsonObject, path: string, dropped: DroppedFields): void {
  dropped.add(`${blockPrefix}citations`, object(fields['citations'], `${path}.citations`)?.['enabled']);
}
