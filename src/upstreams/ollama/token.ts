/** A character of a string in JSON that needs no escape. */
const plain = String.raw`[ !#-[\]-\uffff]`;
const escape = String.raw`\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})`;

/**
 * A line of `/api/chat` that has a piece of text and nothing else, as nearly all have: no string of it but the text has an
 * escape. What this matches is JSON and means what JSON.parse makes of it, in a quarter of the time.
 *
 * @see https://www.rfc-editor.org/rfc/rfc8259#section-7
 */
const tokenLine = new RegExp(
  `^\\{"model":"${plain}*","created_at":"${plain}*","message":` +
    `\\{"role":"assistant","content":("(?:${plain}|${escape})*")\\},"done":false\\}$`,
);

/** Characters: a pattern needs room for each character of what it repeats. */
const maxLength = 4_096;

/** The text of a line of a streamed `/api/chat` that has nothing else; undefined for all others. */
export function tokenIn(line: string): string | undefined {
  if (line.length > maxLength) return undefined;
  const literal = tokenLine.exec(line)?.[1];
  if (literal === undefined) return undefined;
  return literal.includes('\\') ? (JSON.parse(literal) as string) : literal.slice(1, -1);
}
