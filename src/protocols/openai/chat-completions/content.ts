import type { Image } from '../../../chat/request.ts';
import { invalidValue } from '../../../errors.ts';
import { isObject } from '../../../framing/json.ts';
import { readDataUri } from '../../../images/data-uri.ts';
import { object, required, string } from '../../fields.ts';
import type { DroppedFields } from '../../dropped-fields.ts';

/** A string, parts, or nothing: clients send null and [] as well. Text parts are joined by line ends. */
export function readContent(value: unknown, path: string, ledger: DroppedFields): { text: string; images: Image[] } {
  if (value == null) return { text: '', images: [] };
  if (typeof value === 'string') return { text: value, images: [] };
  if (!Array.isArray(value)) throw invalidValue(path, `${path} must be a string or an array of parts.`);
  const texts: string[] = [];
  const images: Image[] = [];
  value.forEach((item: unknown, index) => {
    const partPath = `${path}[${index}]`;
    const part = required(object(item, partPath), partPath);
    const textOf = (field: string): string =>
      required(string(part[field], `${partPath}.${field}`), `${partPath}.${field}`);
    switch (part['type']) {
      case 'text':
        texts.push(textOf('text'));
        return;
      case 'refusal':
        texts.push(textOf('refusal'));
        return;
      case 'image_url':
        images.push(readImage(part['image_url'], `${partPath}.image_url`, ledger));
        return;
      default:
        throw invalidValue(
          `${partPath}.type`,
          `${partPath}.type must be text or image_url. Other content is not supported.`,
        );
    }
  });
  return { text: texts.join('\n'), images };
}

function readImage(value: unknown, path: string, ledger: DroppedFields): Image {
  const [url, param] = isObject(value) ? [value['url'], `${path}.url`] : [value, path];
  if (isObject(value)) ledger.note('messages.content.image_url.detail', value['detail']);
  const address = required(string(url, param), param);
  if (/^https?:/i.test(address)) return { url: address, param };
  return { base64: readDataUri(address, param) };
}
