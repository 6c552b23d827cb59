import type { Audio } from '../chat/request.ts';
import { invalidValue } from '../errors.ts';
import { strictBase64 } from '../images/data-uri.ts';

/** OpenAI's words for the media types of recordings; all others are the second half of the type. */
const formats: ReadonlyMap<string, string> = new Map([
  ['mpeg', 'mp3'],
  ['x-wav', 'wav'],
  ['wave', 'wav'],
  ['vnd.wave', 'wav'],
  ['x-flac', 'flac'],
]);

/**
 * Reads a recording.
 *
 * @param data base64, or a data URI
 * @param format OpenAI's word for its encoding, or its media type. Absent: that of the data URI, or wav
 * @returns the fault of one that cannot be read: whether that is an error depends on how old its message is
 */
export function readAudio(data: unknown, format: unknown, param: string): Audio {
  if (typeof data !== 'string') return { fault: invalidValue(param, `${param} must be the base64 of a recording.`) };
  const [, type, payload = data] = /^data:([^,]{0,200}?)(?:;[^,]{0,200})?,(.*)$/s.exec(data) ?? [];
  const base64 = strictBase64(payload);
  if (base64 === undefined || base64 === '') {
    return { fault: invalidValue(param, `${param} holds data that is not valid base64.`) };
  }
  const named = typeof format === 'string' && format !== '' ? format : (type ?? 'wav');
  const subtype = named.slice(named.indexOf('/') + 1).toLowerCase();
  return { base64, format: formats.get(subtype) ?? subtype, param };
}
