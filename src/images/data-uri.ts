import { invalidValue } from '../errors.ts';
import { imageType, sniffedBytes } from './sniff.ts';

const dataUriHead = /^data:image\/(?:png|jpe?g|webp|gif)(?:;[^;,]*)*;base64$/i;
/** Characters before the comma; no real client sends more. */
const maxHeadLength = 256;
/** Characters of base64 that contain the bytes needed to detect the type. */
const sniffedCharacters = Math.ceil(sniffedBytes / 3) * 4;

/**
 * Reads the base64 of an image in a data URI. Like browsers, it removes line breaks and adds missing padding. Linear in
 * the length; base64 that is strict already is scanned but not copied.
 *
 * @param param the request field that holds the URI
 * @returns base64 that every strict decoder accepts
 * @throws {GatewayError} 400 unless both the media type and the content are png, jpeg, webp or gif
 * @see https://infra.spec.whatwg.org/#forgiving-base64-decode
 */
export function readDataUri(uri: string, param: string): string {
  const comma = uri.slice(0, maxHeadLength).indexOf(',');
  if (comma === -1 || !dataUriHead.test(uri.slice(0, comma))) {
    throw invalidValue(param, `${param} must be a base64 data URI of a png, jpeg, webp or gif image.`);
  }
  return readImageBase64(uri.slice(comma + 1), param);
}

/**
 * The same for bare base64.
 *
 * @throws {GatewayError} 400 unless the content is png, jpeg, webp or gif
 * @see readDataUri
 */
export function readImageBase64(base64: string, param: string): string {
  const payload = strictBase64(base64);
  if (payload === undefined) throw invalidValue(param, `${param} holds data that is not valid base64.`);
  if (imageType(Buffer.from(payload.slice(0, sniffedCharacters), 'base64')) === undefined) {
    throw invalidValue(param, `${param} holds data that is not a png, jpeg, webp or gif image.`);
  }
  return payload;
}

/** @returns the same data in base64 that every strict decoder accepts; undefined for text that is not base64 */
export function strictBase64(text: string): string | undefined {
  // Searches for the first other character instead of matching the whole text, so the pattern cannot backtrack.
  const end = text.search(/[^A-Za-z0-9+/]/);
  if (text.length % 4 === 0 && (end === -1 || ['=', '=='].includes(text.slice(end)))) return text;
  try {
    return btoa(atob(text));
  } catch {
    return undefined;
  }
}
