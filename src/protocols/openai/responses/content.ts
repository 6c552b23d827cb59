import type {
  ResponseInputText,
  ResponseOutputRefusal,
  ResponseOutputText,
} from 'openai/resources/responses/responses';
import type { JsonObject } from '../../../chat/request.ts';
import { isObject, textOrJson } from '../../../framing/json.ts';
import type { DroppedFields } from '../../dropped-fields.ts';
import { type InputPart, outputText } from './items.ts';

/** Reads the content of a message that is not the assistant's. */
export function readInputContent(value: unknown, dropped: DroppedFields): InputPart[] {
  return readContent(value, dropped).map((part) => toInputPart(part, dropped));
}

/** Reads the content of a message of the assistant. */
export function readOutputContent(
  value: unknown,
  dropped: DroppedFields,
): (ResponseOutputText | ResponseOutputRefusal)[] {
  return readContent(value, dropped).map((part) => {
    const { type } = part;
    if (type !== 'output_text' && type !== 'input_text') return part as unknown as ResponseOutputRefusal;
    return outputText(textOrJson(part['text']));
  });
}

/** Reads a tool's output. Some clients send an object, which the model gets as its JSON. */
export function readToolOutput(value: unknown, dropped: DroppedFields): string | InputPart[] {
  if (value == null) return '';
  if (typeof value === 'string') return value;
  const isPart = isObject(value) && typeof value['type'] === 'string';
  if (!isPart && !Array.isArray(value)) return JSON.stringify(value);
  return readContent(value, dropped).map((part) => toInputPart(part, dropped));
}

/** Reads a content: an array of parts, one part, a string, which is one part, or nothing. */
function readContent(value: unknown, dropped: DroppedFields): JsonObject[] {
  const items: readonly unknown[] = Array.isArray(value) ? value : [value];
  return items.flatMap((item): JsonObject[] => {
    if (item == null) return [];
    if (!isObject(item)) return [inputText(typeof item === 'string' ? item : JSON.stringify(item))];
    dropped.add('input.content.prompt_cache_breakpoint', item['prompt_cache_breakpoint']);
    return [item];
  });
}

function toInputPart(part: JsonObject, dropped: DroppedFields): InputPart {
  switch (part['type']) {
    case undefined:
    case 'input_text':
    case 'output_text':
      return inputText(textOrJson(part['text']));
    case 'input_image': {
      dropped.add('input.content.detail', part['detail']);
      return { ...part, type: 'input_image', detail: 'auto' };
    }
    default:
      return part as unknown as InputPart;
  }
}

function inputText(text: string): ResponseInputText & Record<string, unknown> {
  return { type: 'input_text', text };
}
