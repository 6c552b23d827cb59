/** @returns the UTF-8 bytes of a text as a Latin-1 string: one character for each byte */
export function latin1(text: string): string {
  return Buffer.from(text).toString('latin1');
}

/** @returns the beginning of such a string, readable, for error messages */
export function quoted(text: string): string {
  return JSON.stringify(Buffer.from(text.slice(0, 60), 'latin1').toString());
}

/** The text and the finish_reason of a chat completion chunk. */
interface Delta {
  readonly content: string;
  readonly reason?: string;
}

const contentKey = '"content":"';
const finishKey = '"finish_reason":"';

/** Finds both by searching: JSON.parse would cost as much CPU time as a fast proxy. Parses the chunk in doubtful cases. */
export function scanChunk(data: string): Delta {
  const key = data.indexOf(contentKey);
  if (key < 0) return parseChunk(data);
  const from = key + contentKey.length;
  const stop = data.indexOf('"', from);
  const content = data.slice(from, stop);
  if (stop < 0 || content.includes('\\')) return parseChunk(data);
  const finish = data.indexOf(finishKey, stop);
  if (finish < 0) return { content };
  const begin = finish + finishKey.length;
  return { content, reason: data.slice(begin, data.indexOf('"', begin)) };
}

interface Chunk {
  readonly choices?: readonly {
    readonly delta?: { content?: string | null };
    readonly finish_reason?: string | null;
  }[];
}

/** @throws {SyntaxError} when it is not JSON @throws {Error} when it is not a chunk */
export function parseChunk(data: string): Delta {
  const { choices } = JSON.parse(Buffer.from(data, 'latin1').toString()) as Chunk;
  if (choices === undefined) throw new Error(`not a chunk: ${quoted(data)}`);
  const { delta, finish_reason: reason } = choices[0] ?? {};
  return { content: latin1(delta?.content ?? ''), ...(typeof reason === 'string' && { reason }) };
}
