import type { Image, JsonObject } from '../chat/request.ts';
import { isObject, textIn } from '../framing/json.ts';
import { readAudio } from './audio.ts';
import { addFile, headed, outsideFile, readFile, readResource } from './file-parts.ts';
import { readImageData, readImageSource, readImageUrl, storedImage } from './images.ts';
import { type Content, type Part, type PartContext, leaveOut } from './part.ts';
import { thinkingIn } from './thinking-signature.ts';
import { readFoundTools, readToolAddition, readToolReference, readToolRemoval } from './tool-parts.ts';

/**
 * Reads the content of a message: a string, or parts. Clients move histories from one API to another, so the parts of all
 * APIs are read in each. What a content holds stays in the client's history, so nothing in it is an error: a part of an
 * unknown type, or one that no backend has a place for, is passed over and named.
 */
export function readParts(value: unknown, path: string, context: PartContext): Content {
  const content: Content = { texts: [], thoughts: [], images: [], audio: [], documents: [], calls: [], leftOut: [] };
  // Most contents are a string.
  if (typeof value !== 'string') readInto(content, value, path, context);
  else if (value !== '') content.texts.push(value);
  return content;
}

/** Adds the parts of a content within a content, as a tool's result has it. */
export function readInto(content: Content, value: unknown, path: string, context: PartContext): void {
  if (Array.isArray(value)) {
    value.forEach((item: unknown, index) => readPart(content, item, `${path}[${index}]`, context));
  } else {
    // The result of a tool may be an object of its own, which the model gets as its JSON.
    const isPart = !isObject(value) || 'type' in value || 'text' in value;
    readPart(content, isPart ? value : JSON.stringify(value), path, context);
  }
}

function readPart(content: Content, value: unknown, path: string, context: PartContext): void {
  if (value == null || value === '') return;
  if (!isObject(value)) {
    content.texts.push(typeof value === 'string' ? value : JSON.stringify(value));
    return;
  }
  const { type = 'text' in value ? 'text' : 'other' } = value;
  const part = { ...context, type: typeof type === 'string' ? type : 'other', fields: value, path, content };
  (readers.get(part.type) ?? leaveOut)(part);
}

type PartReader = (part: Part) => void;

const readText: PartReader = ({ content, fields: { text } }) => {
  // Some clients wrap the text once more.
  const value: unknown = isObject(text) ? text['value'] : text;
  if (typeof value === 'string') content.texts.push(value);
  else if (value != null) content.texts.push(JSON.stringify(value));
};

const readThought: PartReader = (part) => {
  const { content, fields } = part;
  const shown = [fields['thinking'], fields['text'], fields['reasoning']].find((value) => typeof value === 'string');
  const text = shown === '' ? (thinkingIn(fields['signature']) ?? '') : shown;
  if (part.calls === undefined || typeof text !== 'string') return leaveOut(part);
  content.thoughts.push(text);
};

const readToolUse: PartReader = (part) => {
  const { content, calls, fields } = part;
  if (calls === undefined) return leaveOut(part);
  content.calls.push(calls.readCall(fields['id'], fields['name'], fields['input']));
};

/** OpenAI's form, whose address may also stand alone. */
const readImageUrlPart: PartReader = ({ content, dropped, fields, path, prefix }) => {
  const image = fields['image_url'];
  if (isObject(image)) {
    dropped.add(`${prefix}image_url.detail`, image['detail']);
    content.images.push(readImageUrl(image['url'], `${path}.image_url.url`));
  } else {
    content.images.push(readImageUrl(image, `${path}.image_url`));
  }
};

const readInputImage: PartReader = (part) => {
  const { content, dropped, fields, path, prefix } = part;
  dropped.add(`${prefix}detail`, fields['detail']);
  const url = fields['image_url'];
  if (url == null && fields['file_id'] != null) {
    content.images.push(storedImage(`${path}.file_id`));
  } else if (isObject(url)) readImageUrlPart(part);
  else content.images.push(readImageUrl(url, `${path}.image_url`));
};

/** Anthropic's `source`, or the `data` of MCP's, the `image` of the AI SDK's and the `base64` of LangChain's form. */
const readImage: PartReader = ({ content, fields, path }) => {
  const { data = fields['base64'], image, source, url } = fields;
  if (typeof data === 'string') content.images.push(readImageData(data, `${path}.data`));
  else if (typeof (image ?? url) === 'string') content.images.push(readAddressOrData(image ?? url, path));
  else content.images.push(readImageSource(source, `${path}.source`));
};

function readAddressOrData(value: unknown, path: string): Image {
  const isAddress = typeof value === 'string' && /^https?:/i.test(value);
  return isAddress ? readImageUrl(value, `${path}.image`) : readImageData(value, `${path}.image`);
}

const readInputAudio: PartReader = ({ content, fields, path }) => {
  const name = ['input_audio', 'source'].find((field) => isObject(fields[field]));
  const audio = name === undefined ? fields : (fields[name] as JsonObject);
  const param = `${path}${name === undefined ? '' : `.${name}`}.data`;
  const type = audio['format'] ?? audio['mimeType'] ?? audio['mime_type'] ?? audio['media_type'];
  content.audio.push(readAudio(audio['data'] ?? audio['base64'] ?? audio['url'], type, param));
};

/** vLLM's form. */
const readAudioUrl: PartReader = ({ content, fields, path }) => {
  const audio = fields['audio_url'];
  content.audio.push(readAudio(isObject(audio) ? audio['url'] : audio, undefined, `${path}.audio_url.url`));
};

const readNested: PartReader = ({ content, fields, path, prefix, dropped }) =>
  readInto(content, fields['content'], `${path}.content`, { prefix, dropped });

/** Reads Anthropic's `document`. Its text follows its title and its context. */
const readDocument: PartReader = (part) => {
  const { content, fields, path, prefix, dropped } = part;
  const source = isObject(fields['source']) ? fields['source'] : {};
  const heading = headed(textIn(fields['title']), textIn(fields['context']));
  switch (source['type']) {
    case 'text':
      content.texts.push(headed(heading, textIn(source['data'])));
      return;
    case 'content': {
      const inner = readParts(source['content'], `${path}.source.content`, { prefix, dropped });
      content.texts.push(headed(heading, inner.texts.join('\n')));
      content.images.push(...inner.images);
      content.documents.push(...inner.documents);
      return;
    }
    case 'base64':
      addFile(part, {
        name: textIn(fields['title']),
        heading,
        mediaType: textIn(source['media_type']),
        data: textIn(source['data']),
      });
      return;
    default:
      addFile(part, outsideFile({ name: textIn(fields['title']), heading, url: source['url'], id: source['file_id'] }));
  }
};

/** Adds the text of a search result after its title and its source. */
const readSearchResult: PartReader = ({ content, fields, path, prefix, dropped }) => {
  const inner = readParts(fields['content'], `${path}.content`, { prefix, dropped });
  const lines = [fields['title'], fields['source'], ...inner.texts];
  content.texts.push(lines.filter((line) => typeof line === 'string' && line !== '').join('\n'));
  content.images.push(...inner.images);
};

/** Readers by the type of the part. */
const readers: ReadonlyMap<string, PartReader> = new Map<string, PartReader>([
  ...['text', 'input_text', 'output_text'].map((type) => [type, readText] as const),
  ['refusal', ({ content, fields: { refusal } }) => void (typeof refusal === 'string' && content.texts.push(refusal))],
  ...['thinking', 'reasoning', 'reasoning_text', 'summary_text'].map((type) => [type, readThought] as const),
  ['tool_use', readToolUse],
  ['tool_result', readNested],
  ['tool_reference', readToolReference],
  ['tool_addition', readToolAddition],
  ['tool_removal', readToolRemoval],
  ['tool_search_tool_result', readFoundTools],
  // The summary that stands for everything before it.
  ['compaction', readNested],
  ['image_url', readImageUrlPart],
  ['input_image', readInputImage],
  ['image', readImage],
  ['input_audio', readInputAudio],
  ['audio', readInputAudio],
  ['audio_url', readAudioUrl],
  ['file', readFile],
  ['input_file', readFile],
  ['text-plain', (part) => (part.fields['text'] == null ? readFile(part) : readText(part))],
  ['document', readDocument],
  ['resource', readResource],
  ['search_result', readSearchResult],
]);
