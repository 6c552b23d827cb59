/**
 * @param part chosen by the client: one that is long or has other characters than a field's name becomes `other`
 * @returns the name of a dropped field, such as `input.web_search_call`
 */
export function droppedName(field: string, part: string): string {
  return `${field}.${/^[\w.-]{1,40}$/.test(part) ? part : 'other'}`;
}
