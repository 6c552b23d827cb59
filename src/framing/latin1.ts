/** The UTF-8 of a text, each byte as a character: a string that is written without being encoded again. */
export function inLatin1(text: string): string {
  return Buffer.from(text).toString('latin1');
}
