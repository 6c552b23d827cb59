/** The encoding in which a string is written: `latin1` for a string whose characters are bytes already. */
export type Encoding = 'utf8' | 'latin1';

/** The UTF-8 bytes of a text as a string of one character per byte, which can be written without encoding it again. */
export function inLatin1(text: string): string {
  return Buffer.from(text).toString('latin1');
}
