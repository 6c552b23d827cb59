import type { Image } from '../../chat/request.ts';
import { readImageBase64 } from '../../images/data-uri.ts';
import { array, required, string } from '../fields.ts';

/** Reads a list of images, each the base64 of a file. @throws {GatewayError} 400 with `param` */
export function readImages(value: unknown, path: string): Image[] {
  return (array(value, path) ?? []).map((item, index) => {
    const param = `${path}[${index}]`;
    return { base64: readImageBase64(required(string, item, param), param) };
  });
}
