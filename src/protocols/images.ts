import type { Image } from '../chat/request.ts';
import { readDataUri } from '../images/data-uri.ts';

/**
 * Reads the address of an image: http and https addresses are fetched later, anything else must be a data URI.
 *
 * @param param the request field that holds the address
 * @throws {GatewayError} 400 for a data URI that does not hold a png, jpeg, webp or gif
 */
export function readImageUrl(url: string, param: string): Image {
  return /^https?:/i.test(url) ? { url, param } : { base64: readDataUri(url, param) };
}
