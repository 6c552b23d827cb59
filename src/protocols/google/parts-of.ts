import { isObject } from '../../framing/json.ts';
import type { Field, FieldTable } from '../field-table.ts';

/** @returns the parts of a content, which clients also write as a text, as parts alone, or as a single part */
export function partsOf(value: unknown): readonly unknown[] {
  if (value == null) return [];
  if (Array.isArray(value)) return value;
  if (isObject(value) && 'parts' in value) return partsOf(value['parts']);
  return isObject(value) && Object.keys(value).every((name) => name === 'role') ? [] : [value];
}

/** @returns the fields of a content, or of a part that stands for one */
export function contentOrPart(content: FieldTable, part: FieldTable): Pick<Field, 'fields' | 'variants' | 'variantOf'> {
  return {
    fields: { ...content, ...part },
    variants: { content },
    variantOf: (item) => ('parts' in item ? 'content' : 'part'),
  };
}
