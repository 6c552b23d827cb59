const maxLength = 500;

/** The first line of what an upstream says, for a client to read: without addresses and paths of its machine, and not long. */
export function publicText(text: string): string {
  const [firstLine = ''] = text
    .trimStart()
    .slice(0, 4 * maxLength)
    .split('\n', 1);
  // Cut before and after: the replacements take longer than linear, and the text may be as long as a line.
  return firstLine
    .replace(/\bhttps?:\/\/[^\s"']+/g, '[address]')
    .replace(/(\[[0-9a-f:]+\]|\b[\w.-]+):\d{4,5}\b/gi, '[address]')
    .replace(/\b\d{1,3}(\.\d{1,3}){3}\b/g, '[address]')
    .replace(/(^|[\s'"(=])\/[\w.@/-]+/g, '$1[path]')
    .slice(0, maxLength);
}
