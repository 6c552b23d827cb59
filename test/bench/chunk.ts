/** UTF-8, a character for each byte. */
export function latin1(text: string): string {
  return Buffer.from(text).toString('latin1');
}

/** The beginning of such text, to be read. */
export function quoted(text: string): string {
  return JSON.stringify(Buffer.from(text.slice(0, 60), 'latin1').toString());
}

/** What a chat completion chunk adds. */
interface Delta {
  readonly content: string;
  readonly reason?: string;
}

const contentKey = '"content":"';
const finishKey = '"finish_reason":"';

/** Finds both without parsing, since that would cost as much as a fast proxy; parses where it is not sure. */
export function scanChunk(data: string): Delta {
  const found = data.indexOf(contentKey);
  if (found < 0) return parseChunk(data);
  const from = found + contentKey.length;
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

/** @throws SyntaxError, or Error where it is no chunk */
export function parseChunk(data: string): Delta {
  const { choices } = JSON.parse(Buffer.from(data, 'latin1').toString()) as Chunk;
  if (choices === undefined) throw new Error(`no chunk: ${quoted(data)}`);
  const { delta, finish_reason: reason } = choices[0] ?? {};
  return { content: latin1(delta?.content ?? ''), ...(typeof reason === 'string' && { reason }) };
}
