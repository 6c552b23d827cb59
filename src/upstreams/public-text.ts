const maxLength = 500;

/** The first line of an upstream's error message, fit for clients: without addresses and file paths, at most 500 characters. */
export function publicText(text: string): string {
  const [firstLine = ''] = text
    .trimStart()
    .slice(0, 4 * maxLength)
    .split('\n', 1);
  // Cut before and after: the replacements take more than linear time, and an upstream may send a very long line.
  return firstLine
    .replace(/\bhttps?:\/\/[^\s"']+/g, '[address]')
    .replace(/(\[[0-9a-f:]+\]|\b[\w.-]+):\d{4,5}\b/gi, '[address]')
    .replace(/\b\d{1,3}(\.\d{1,3}){3}\b/g, '[address]')
    .replace(/(^|[\s'"(=])\/[\w.@/-]+/g, '$1[path]')
    .slice(0, maxLength);
}
