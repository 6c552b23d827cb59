/** White space, control characters, and those that change the direction of the text around them. */
const breaks = /[\s\p{Cc}\u{202a}-\u{202e}\u{2066}-\u{2069}]+/gu;

/**
 * Makes one line of a text from somewhere else: it could otherwise begin a new line in a prompt, or change how a terminal shows what
 * is around it.
 *
 * @param max characters of the result
 */
export function oneLine(text: string, max: number): string {
  return text
    .slice(0, max * 4)
    .replaceAll(breaks, ' ')
    .trim()
    .slice(0, max)
    .toWellFormed();
}
