/** @returns the name of a dropped field such as `input.web_search_call`. The client's part is limited in its form. */
export function droppedName(field: string, part: string): string {
  return `${field}.${/^[\w.-]{1,40}$/.test(part) ? part : 'other'}`;
}
