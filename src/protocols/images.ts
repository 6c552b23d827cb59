import type { Image } from '../chat/request.ts';
import { GatewayError, invalidValue } from '../errors.ts';
import { isObject } from '../framing/json.ts';
import { readDataUri, readImageBase64 } from '../images/data-uri.ts';

/**
 * Reads the address of an image: http and https addresses are fetched later, anything else must be a data URI.
 *
 * @param param the request field that holds the address
 * @returns an image with the fault of one that cannot be read: whether that is an error depends on how old its message is
 */
export function readImageUrl(url: unknown, param: string): Image {
  if (typeof url !== 'string') return { fault: invalidValue(param, `${param} must be a string.`) };
  if (/^https?:/i.test(url)) return { url, param };
  return readable(() => readDataUri(url, param));
}

/** Reads the base64 of an image, or a data URI. The type is that of its bytes: clients often name another. */
export function readImageData(data: unknown, param: string): Image {
  if (typeof data !== 'string') return { fault: invalidValue(param, `${param} must be a string.`) };
  return readable(() => (data.startsWith('data:') ? readDataUri(data, param) : readImageBase64(data, param)));
}

/** Reads the `source` of an image as Anthropic describes it. */
export function readImageSource(source: unknown, path: string): Image {
  if (!isObject(source)) return { fault: invalidValue(path, `${path} must be an object.`) };
  switch (source['type']) {
    case 'base64':
      return readImageData(source['data'], `${path}.data`);
    case 'url':
      return readImageUrl(source['url'], `${path}.url`);
    default:
      return { fault: invalidValue(`${path}.type`, `${path}.type must be base64 or url. Files are not stored here.`) };
  }
}

/** @returns an image with the fault of one that is only named, by the id of an upload */
export function storedImage(param: string): Image {
  return {
    fault: invalidValue(param, `${param} names an uploaded file, and files are not stored here. Send image_url.`),
  };
}

function readable(read: () => string): Image {
  try {
    return { base64: read() };
  } catch (error) {
    if (error instanceof GatewayError) return { fault: error };
    throw error;
  }
}
