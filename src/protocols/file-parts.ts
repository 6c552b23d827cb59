import { isObject, textIn } from '../framing/json.ts';
import { strictBase64 } from '../images/data-uri.ts';
import { imageType, sniffedBytes } from '../images/sniff.ts';
import { readAudio } from './audio.ts';
import type { Part } from './part.ts';

/** A file that a part contains or names. */
interface File {
  readonly name: string;
  /** Precedes its text: the name, and what else the client says about it. */
  readonly heading: string;
  readonly mediaType: string;
  /** Base64 or a data URI. */
  readonly data?: string | undefined;
  /** Its address or id, if it is not in the request. */
  readonly elsewhere?: string | undefined;
}

/** Reads OpenAI's `file` and `input_file`, and the file of the AI SDK. */
export function readFile(part: Part): void {
  const file = isObject(part.fields['file']) ? part.fields['file'] : part.fields;
  const { file_data: data = file['data'] ?? file['base64'], file_url: url = file['url'], file_id: id } = file;
  const mediaType = file['mediaType'] ?? file['mimeType'] ?? file['mime_type'];
  const name = textIn(file['filename']) || textIn(file['name']);
  if (typeof data === 'string' && data !== '') {
    addFile(part, { name, heading: name, mediaType: textIn(mediaType), data });
  } else {
    addFile(part, outsideFile({ name, heading: name, url, id }));
  }
}

/** @returns a file that is not in the request, but at an address or in a store; the address may be a data URI */
export function outsideFile({ name, heading, url, id }: OutsideFile): File {
  return {
    name: name || lastSegment(textIn(url)) || textIn(id),
    heading,
    mediaType: '',
    data: typeof url === 'string' && /^data:/i.test(url) ? url : undefined,
    elsewhere: url == null ? 'uploaded files are not stored here' : 'documents are not downloaded here',
  };
}

interface OutsideFile {
  readonly name: string;
  readonly heading: string;
  readonly url: unknown;
  readonly id: unknown;
}

/** Reads MCP's embedded `resource`, whose content is in `text` or in `blob`. */
export function readResource(part: Part): void {
  const resource = isObject(part.fields['resource']) ? part.fields['resource'] : {};
  const name = textIn(resource['uri']);
  if (typeof resource['text'] === 'string') part.content.texts.push(headed(name, resource['text']));
  else addFile(part, { name, heading: name, mediaType: textIn(resource['mimeType']), data: textIn(resource['blob']) });
}

/** Adds what a file holds: text, an image, a recording, or a PDF whose text is extracted later. Others are left out. */
export function addFile(part: Part, file: File): void {
  const { content, path } = part;
  const { data, heading, name } = file;
  if (data === undefined || data === '') return leaveFileOut(part, name, file.elsewhere ?? 'it is empty');
  const { base64, mediaType } = decoded(file);
  if (base64 === undefined) return leaveFileOut(part, name, 'its data is not valid base64');
  const head = Buffer.from(base64.slice(0, Math.ceil(sniffedBytes / 3) * 4), 'base64');
  if (imageType(head) !== undefined) content.images.push({ base64 });
  else if (mediaType.startsWith('audio/')) content.audio.push(readAudio(base64, mediaType, path));
  else if (head.toString('latin1').startsWith('%PDF-') || mediaType === 'application/pdf') {
    const placeholder = leftOut(name, 'PDFs are not read here');
    content.texts.push(placeholder);
    content.documents.push({ placeholder, name: heading, base64, field: fieldOf(part) });
  } else {
    const plain = plainText(Buffer.from(base64, 'base64'), mediaType);
    if (plain === undefined) leaveFileOut(part, name, 'it is not text');
    else content.texts.push(headed(heading, plain));
  }
}

function leaveFileOut(part: Part, name: string, why: string): void {
  part.content.texts.push(leftOut(name, why));
  part.dropped.add(fieldOf(part), true);
}

function fieldOf({ prefix, type }: Part): string {
  return `${prefix}${type}`;
}

/** The text in place of a file. */
function leftOut(name: string, why: string): string {
  return `[The file${name === '' ? '' : ` "${name}"`} is left out: ${why}.]`;
}

/** Splits a data URI, whose data may be percent-encoded text, too. */
function decoded({ data = '', mediaType }: File): { base64: string | undefined; mediaType: string } {
  const [, head, payload] = /^data:([^,]{0,256}),(.*)$/s.exec(data) ?? [];
  if (head === undefined || payload === undefined) return { base64: strictBase64(data), mediaType };
  const isBase64 = /;base64$/i.test(head);
  const type = (head.split(';', 1)[0] ?? '').toLowerCase() || mediaType;
  const base64 = isBase64 ? strictBase64(payload) : Buffer.from(percentDecoded(payload)).toString('base64');
  return { base64, mediaType: type };
}

function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** @returns undefined for bytes that are not text. Text that is not UTF-8 is read as such only if its type says so */
function plainText(bytes: Buffer, mediaType: string): string | undefined {
  const [first, second] = bytes;
  const encoding =
    first === 0xff && second === 0xfe ? 'utf-16le' : first === 0xfe && second === 0xff ? 'utf-16be' : 'utf-8';
  try {
    const text = new TextDecoder(encoding, { fatal: true }).decode(bytes);
    return text.includes('\0') ? undefined : text;
  } catch {
    return mediaType.startsWith('text/') ? new TextDecoder('windows-1252').decode(bytes) : undefined;
  }
}

export function headed(heading: string, body: string): string {
  return [heading, body].filter((part) => part !== '').join('\n');
}

/** The name of a file in its address. */
function lastSegment(url: string): string {
  if (/^data:/i.test(url)) return '';
  return /([^/?#]{1,200})(?:[?#].*)?$/.exec(url.slice(0, 2_000))?.[1] ?? '';
}
