const gap = /^(?:\s|[;,]|<\/tool_calls?>|<\/function_calls>|<\|eom_id\|>|<\|eot_id\|>)*/;
const strayMarks = ['</tool_call>', '</tool_calls>', '</function_calls>', '<|eom_id|>', '<|eot_id|>'];

/** Characters between two calls that are held back. */
export const maxGap = 256;

/** @returns what stands between two calls, or after the last one: white space, and marks that close nothing */
export function gapOf(text: string): string {
  return gap.exec(text)?.[0] ?? '';
}

/** True if more text may make a part of the gap of what follows it. */
export function mayGoOn(rest: string): boolean {
  return rest === '' || strayMarks.some((mark) => rest.length < mark.length && mark.startsWith(rest));
}
