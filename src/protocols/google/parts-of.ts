import { isObject } from '../../framing/json.ts';

/** @returns the parts of a content, which clients also write as a text, as parts alone, or as a single part */
export function partsOf(value: unknown): readonly unknown[] {
  if (value == null) return [];
  if (Array.isArray(value)) return value;
  if (isObject(value) && 'parts' in value) return partsOf(value['parts']);
  return isObject(value) && Object.keys(value).every((name) => name === 'role') ? [] : [value];
}
