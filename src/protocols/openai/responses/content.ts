import type {
  ResponseInputImage,
  ResponseInputText,
  ResponseOutputRefusal,
  ResponseOutputText,
} from 'openai/resources/responses/responses';
import type { JsonObject } from '../../../chat/request.ts';
import { invalidValue } from '../../../errors.ts';
import type { DroppedFields } from '../../dropped-fields.ts';
import { object, required, string } from '../../fields.ts';
import { outputText } from './items.ts';

/** Reads the content of a message that is not the assistant's. @throws {GatewayError} 400 with `param` */
export function readInputContent(
  value: unknown,
  path: string,
  dropped: DroppedFields,
): (ResponseInputText | ResponseInputImage)[] {
  return readParts(value, path, dropped).map(([part, partPath]) => {
    switch (part['type']) {
      case 'input_text':
      case 'output_text':
        return readInputText(part, partPath);
      case 'input_image':
        return readInputImage(part, partPath, dropped);
      case 'input_file':
        throw invalidValue(partPath, 'Files are not supported. Send their text as input_text.');
      default:
        throw invalidValue(`${partPath}.type`, `${partPath}.type must be input_text or input_image.`);
    }
  });
}

/** Reads the content of a message of the assistant. @throws {GatewayError} 400 with `param` */
export function readOutputContent(
  value: unknown,
  path: string,
  dropped: DroppedFields,
): (ResponseOutputText | ResponseOutputRefusal)[] {
  return readParts(value, path, dropped).map(([part, partPath]) => {
    switch (part['type']) {
      case 'output_text':
      case 'input_text':
        return outputText(required(string, part['text'], `${partPath}.text`));
      case 'refusal':
        return { type: 'refusal', refusal: required(string, part['refusal'], `${partPath}.refusal`) };
      default:
        throw invalidValue(`${partPath}.type`, `${partPath}.type must be output_text or refusal.`);
    }
  });
}

/** Reads a tool's output. Images and files are dropped: no backend takes them there. @throws {GatewayError} 400 */
export function readToolOutput(value: unknown, path: string, dropped: DroppedFields): string | ResponseInputText[] {
  if (value == null) return '';
  if (typeof value === 'string') return value;
  return readParts(value, path, dropped).flatMap(([part, partPath]) => {
    switch (part['type']) {
      case 'input_text':
      case 'output_text':
        return [readInputText(part, partPath)];
      case 'input_image':
      case 'input_file':
        dropped.add(`input.output.${part['type']}`, true);
        return [];
      default:
        throw invalidValue(`${partPath}.type`, `${partPath}.type must be input_text, input_image or input_file.`);
    }
  });
}

type Part = readonly [part: JsonObject, path: string];

/** Reads a content: an array of parts, a string, which is one part, or nothing. */
function readParts(value: unknown, path: string, dropped: DroppedFields): Part[] {
  if (value == null) return [];
  if (typeof value === 'string') return [[{ type: 'input_text', text: value }, path]];
  if (!Array.isArray(value)) throw invalidValue(path, `${path} must be a string or an array of parts.`);
  return value.map((item: unknown, index) => {
    const partPath = `${path}[${index}]`;
    const part = required(object, item, partPath);
    dropped.add('input.content.prompt_cache_breakpoint', part['prompt_cache_breakpoint']);
    return [part, partPath] as const;
  });
}

function readInputText(part: JsonObject, path: string): ResponseInputText {
  return { type: 'input_text', text: required(string, part['text'], `${path}.text`) };
}

function readInputImage(part: JsonObject, path: string, dropped: DroppedFields): ResponseInputImage {
  if (part['file_id'] != null) {
    throw invalidValue(`${path}.file_id`, 'Uploaded files are not supported. Send the image itself.');
  }
  dropped.add('input.content.detail', part['detail']);
  return { type: 'input_image', detail: 'auto', image_url: required(string, part['image_url'], `${path}.image_url`) };
}
