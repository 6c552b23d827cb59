/** How a text is to be written as bytes: it may be bytes itself, each as a character of Latin-1. */
export type Encoding = 'utf8' | 'latin1';

/** The UTF-8 of a text, each byte as a character: a string that is written without being encoded again. */
export function inLatin1(text: string): string {
  return Buffer.from(text).toString('latin1');
}
