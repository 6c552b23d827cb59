const newline = 0x0a;
const openBrace = 0x7b;
/** The first bytes of an SSE comment, and of an empty line. */
const silent: ReadonlySet<number | undefined> = new Set([0x3a, newline, 0x0d]);

/** Size in bytes that most records of a single token stay below. */
const usual = 512;

/**
 * Counts the records in part of an NDJSON or SSE stream. Usually each arrives in its own chunk, but a proxy in front of the
 * model server may join several.
 *
 * @param pieces number of chunks that the bytes arrived in
 * @returns 0 for comments and empty lines, with which a server keeps a connection open while it has nothing to say
 */
export function recordsIn(bytes: Buffer, pieces: number): number {
  if (silent.has(bytes[0]) && !bytes.includes(openBrace)) return 0;
  if (bytes.length < usual * pieces) return pieces;
  let lines = 0;
  for (let at = bytes.indexOf(newline); at !== -1; at = bytes.indexOf(newline, at + 1)) lines += 1;
  // An SSE event is a line and an empty line.
  return Math.max(pieces, bytes[0] === openBrace ? lines : lines >> 1);
}
