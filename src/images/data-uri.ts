import { invalidValue } from '../errors.ts';
import { imageType, sniffedBytes } from './sniff.ts';

const head = /^data:image\/(?:png|jpe?g|webp|gif)(?:;[^;,]*)*;base64$/i;
/** Characters of the part before the comma: a longer one is none that anybody means. */
const maxHead = 256;
/** Characters of base64 that hold all the bytes that tell the type. */
const sniffedCharacters = Math.ceil(sniffedBytes / 3) * 4;

/**
 * The base64 of an image in a data URI. Line breaks in it are taken out and missing padding is added, as browsers do;
 * what comes back is what every strict decoder takes. Linear in the length, and what is strict already is only looked
 * through.
 *
 * @param param the request field that holds the URI
 * @throws {GatewayError} 400 for anything but a png, jpeg, webp or gif, by name and by content
 * @see https://infra.spec.whatwg.org/#forgiving-base64-decode
 */
export function readDataUri(uri: string, param: string): string {
  const comma = uri.slice(0, maxHead).indexOf(',');
  if (comma === -1 || !head.test(uri.slice(0, comma))) {
    throw invalidValue(param, `${param} must be a base64 data URI of a png, jpeg, webp or gif image.`);
  }
  return readImageBase64(uri.slice(comma + 1), param);
}

/** The same for base64 by itself. @throws {GatewayError} 400 for anything but a png, jpeg, webp or gif */
export function readImageBase64(base64: string, param: string): string {
  const payload = readBase64(base64);
  if (payload === undefined) throw invalidValue(param, `${param} holds data that is not valid base64.`);
  if (imageType(Buffer.from(payload.slice(0, sniffedCharacters), 'base64')) === undefined) {
    throw invalidValue(param, `${param} holds data that is not a png, jpeg, webp or gif image.`);
  }
  return payload;
}

function readBase64(text: string): string | undefined {
  // A search for the first other character, not a match of the whole: nothing to backtrack into.
  const end = text.search(/[^A-Za-z0-9+/]/);
  if (text.length % 4 === 0 && (end === -1 || ['=', '=='].includes(text.slice(end)))) return text;
  try {
    return btoa(atob(text));
  } catch {
    return undefined;
  }
}
