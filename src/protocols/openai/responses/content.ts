import type {
  ResponseInputImage,
  ResponseInputText,
  ResponseOutputRefusal,
  ResponseOutputText,
} from 'openai/resources/responses/responses';
import type { JsonObject } from '../../../chat/request.ts';
import { invalidValue } from '../../../errors.ts';
import { array, object, required, string } from '../../fields.ts';
import type { DroppedFields } from '../../dropped-fields.ts';
import { outputText } from './items.ts';

/** A string, parts or nothing, of a message that is not the assistant's. @throws {GatewayError} 400 */
export function readInputContent(
  value: unknown,
  path: string,
  ledger: DroppedFields,
): (ResponseInputText | ResponseInputImage)[] {
  return parts(value, path, ledger).map(([part, partPath]) => {
    switch (part['type']) {
      case 'input_text':
      case 'output_text':
        return inputText(part, partPath);
      case 'input_image':
        return inputImage(part, partPath, ledger);
      case 'input_file':
        throw invalidValue(partPath, 'Files are not supported. Send their text as input_text.');
      default:
        throw invalidValue(`${partPath}.type`, `${partPath}.type must be input_text or input_image.`);
    }
  });
}

/** The content of a message of the assistant. @throws {GatewayError} 400 */
export function readOutputContent(
  value: unknown,
  path: string,
  ledger: DroppedFields,
): (ResponseOutputText | ResponseOutputRefusal)[] {
  return parts(value, path, ledger).map(([part, partPath]) => {
    switch (part['type']) {
      case 'output_text':
      case 'input_text':
        return outputText(textOf(part, 'text', partPath));
      case 'refusal':
        return { type: 'refusal', refusal: textOf(part, 'refusal', partPath) };
      default:
        throw invalidValue(`${partPath}.type`, `${partPath}.type must be output_text or refusal.`);
    }
  });
}

/** What a tool gave back. No backend takes images there. @throws {GatewayError} 400 */
export function readToolOutput(value: unknown, path: string, ledger: DroppedFields): string | ResponseInputText[] {
  if (value == null) return '';
  if (typeof value === 'string') return value;
  return parts(value, path, ledger).flatMap(([part, partPath]) => {
    switch (part['type']) {
      case 'input_text':
      case 'output_text':
        return [inputText(part, partPath)];
      case 'input_image':
      case 'input_file':
        ledger.note(`input.output.${part['type']}`, true);
        return [];
      default:
        throw invalidValue(`${partPath}.type`, `${partPath}.type must be input_text, input_image or input_file.`);
    }
  });
}

function parts(value: unknown, path: string, ledger: DroppedFields): (readonly [part: JsonObject, path: string])[] {
  if (typeof value === 'string') return [[{ type: 'input_text', text: value }, path]];
  if (value != null && !Array.isArray(value))
    throw invalidValue(path, `${path} must be a string or an array of parts.`);
  return (array(value, path) ?? []).map((each, index) => {
    const partPath = `${path}[${index}]`;
    const part = required(object(each, partPath), partPath);
    ledger.note('input.content.prompt_cache_breakpoint', part['prompt_cache_breakpoint']);
    return [part, partPath] as const;
  });
}

function textOf(part: JsonObject, field: string, path: string): string {
  return required(string(part[field], `${path}.${field}`), `${path}.${field}`);
}

function inputText(part: JsonObject, path: string): ResponseInputText {
  return { type: 'input_text', text: textOf(part, 'text', path) };
}

function inputImage(part: JsonObject, path: string, ledger: DroppedFields): ResponseInputImage {
  if (part['file_id'] != null)
    throw invalidValue(`${path}.file_id`, 'Uploaded files are not supported. Send the image itself.');
  ledger.note('input.content.detail', part['detail']);
  return { type: 'input_image', detail: 'auto', image_url: textOf(part, 'image_url', path) };
}
